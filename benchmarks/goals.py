"""What a model that draws knows of goals: `python -m benchmarks.goals MODEL DATA [--pictures N]`.

Nats and right guesses for each token of real goals, given those before it: apart for tokens of plain table
and for those that show things, and both for those that are as at first and those that the task changed. Plain
table is most of a picture and easy, so that a mean over all tokens says little.

Where MODEL is the folder of a training, its heads tell too what patches know of the end as they leave the
encoder, before anything is drawn: of those in whose place another thing comes to lie, how many say so, how
many others do, and how far from its present place they believe it to be.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from policies import embodiments
from policies.embodiments.tabletop_places import HIGH, LOW
from policies.style import PromptStyle
from pretrain.checkpointing import STATE
from pretrain.dense_heads import DenseHeads, image_part, location_rows
from pretrain.examples import Example, goal_view_example, pictures_before
from pretrain.initialization import start_model
from pretrain.patch_labels import CAME, Labeller
from pretrain.sources import LeRobotSource, StoredEpisode
from pretrain.thinning import plain_tokens, still_tokens
from uio2_agent import UnifiedIO2
from uio2_agent.text.vocabulary import LOCATIONS

_BATCH = 16
_BIN_CM = 100 * (HIGH - LOW) / (LOCATIONS - 1)
"""Of a location on the tabletop, down and across."""


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
    console = Console(width=100)
    console.print(table)
    if (Path(options.model) / STATE).is_file():
        console.print(_endings(options.model, model, styles, records))


def _endings(
    directory: str, model: UnifiedIO2, styles: Mapping[str, PromptStyle], records: Sequence[StoredEpisode]
) -> Table:
    weights = torch.load(Path(directory) / STATE, weights_only=True)["parts"]["eye"]
    names, textures = (
        [str(at) for at in range(len(weights[f"{head}.bias"]))] for head in ("name", "texture")
    )
    heads = DenseHeads(model, names, textures, sigma=1.0)
    heads.load_state_dict(weights)
    labeller, told = Labeller(model.processor, names, textures), defaultdict(list)
    for record in records:
        batch, labels = labeller([_asked(record, styles)])
        with torch.no_grad():
            patches = image_part(model.encode(batch), batch)[0]  # [N, D]
            found = heads.ending(patches).argmax(-1)
            hidden = heads.source(patches).unflatten(-1, (2, -1))  # [N, 2, D]
            place = (hidden @ location_rows(model).T).argmax(-1)  # [N, 2]
        came = labels.ending[0] == CAME
        off = (place - labels.source[0])[came] * torch.from_numpy(_BIN_CM)
        told[record.task].append((found[came] == CAME, found[~came] == CAME, off.norm(dim=-1)))
    table = Table(title="patches that something comes to lie in")
    for name in ("task", "patches", "told, %", "others told, %", "off its place, cm (median)"):
        table.add_column(name, justify="left" if name == "task" else "right")
    for task, parts in sorted(told.items()):
        right, wrong, off = (torch.cat(part) for part in zip(*parts, strict=True))
        shares = (f"{100 * float(part.float().mean()):.1f}" if len(part) else "" for part in (right, wrong))
        table.add_row(task, str(len(right)), *shares, f"{float(off.median()):.0f}" if len(off) else "")
    return table


def _asked(record: StoredEpisode, styles: Mapping[str, PromptStyle]) -> Example:
    body = embodiments.get(record.embodiment)
    return goal_view_example(record, body, styles[body.name].fitted(body.cameras))


def _tokens(
    model: UnifiedIO2, styles: Mapping[str, PromptStyle], records: Sequence[StoredEpisode]
) -> tuple[torch.Tensor, ...]:
    """For each token of the goals of some episodes, all [B, N]: nats, whether the likeliest is right, whether
    it is plain, whether the episode changed it, and whether it is a part of the picture.
    """
    examples = [_asked(record, styles) for record in records]
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
