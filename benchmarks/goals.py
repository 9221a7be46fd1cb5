"""What a model that draws knows of goals: `python -m benchmarks.goals MODEL DATA [--pictures N]`.

Nats and right guesses for each token of real goals, given those before it: apart for tokens of plain table
and for those that show things, and both for those that are as at first and those that the task changed. Plain
table is most of a picture and easy, so that a mean over all tokens says little.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from policies import embodiments
from policies.style import PromptStyle
from pretrain.examples import goal_view_example, pictures_before
from pretrain.initialization import start_model
from pretrain.sources import LeRobotSource, StoredEpisode
from pretrain.thinning import plain_tokens, still_tokens
from uio2_agent import UnifiedIO2

_BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=160)
    options = parser.parse_args()
    model, styles = start_model(options.model, trained=True)
    source = LeRobotSource(options.data)
    chosen = np.random.default_rng(0).permutation(len(source))[: options.pictures]
    records = [record for record in (source[int(index)] for index in chosen) if record.success]
    parts = [_tokens(model, styles, records[i : i + _BATCH]) for i in range(0, len(records), _BATCH)]
    nats, right, plain, changed, counts = (torch.cat(part) for part in zip(*parts, strict=True))
    table = Table(title=f"{options.model}: tokens of {len(records)} goals")
    for name in ("tokens", "share, %", "nats", "right, %"):
        table.add_column(name, justify="right")
    kinds = {"plain table": plain & ~changed, "became plain": plain & changed}
    kinds |= {"a thing as before": ~plain & ~changed, "a thing that came": ~plain & changed}
    for name, kind in {**kinds, "all": torch.ones_like(plain)}.items():
        held = kind & counts
        numbers = 100 * held.sum() / counts.sum(), nats[held].mean(), 100 * right[held].float().mean()
        table.add_row(name, *(f"{float(number):.1f}" for number in numbers))
    Console(width=100).print(table)


def _tokens(
    model: UnifiedIO2, styles: Mapping[str, PromptStyle], records: Sequence[StoredEpisode]
) -> tuple[torch.Tensor, ...]:
    """For each token of the goals of some episodes, all [B, N]: nats, whether the likeliest is right, whether
    it is plain, whether the episode changed it, and whether it is a part of the picture.
    """
    bodies = [embodiments.get(record.embodiment) for record in records]
    fitted = [styles[body.name].fitted(body.cameras) for body in bodies]
    examples = [goal_view_example(*each) for each in zip(records, bodies, fitted, strict=True)]
    requests = [example.request for example in examples]
    batch = model.processor(requests, [example.target for example in examples])
    before = pictures_before(examples, model.config)
    with torch.no_grad():
        output = model.score_all(model.token_targets(batch), model.encode(batch))
    logits, targets = output.logits["image"].float(), output.targets["image"]
    goal = batch.image_target
    changed = ~still_tokens(goal, before)
    nats = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return nats, logits.argmax(-1) == targets, plain_tokens(goal), changed, goal.loss_mask


if __name__ == "__main__":
    main()
