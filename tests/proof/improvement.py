"""A nano that knows little improves itself with `uio2 improve`, beside a control with as many demonstrations.

The policy that begins is limited on purpose: its image encoder is the packaged nano's and stays frozen, so it
sees well; everything else is fresh and has learned from few demonstrations alone. The frozen encoder had
learned dense labels from thousands of episodes; no action that those held reached it.

Usage: python -m tests.proof.improvement REPORT.md [SHARE]

SHARE, 1 by default, scales every number of episodes and steps: 0.05 tells in a few minutes whether it runs.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from policies import embodiments
from policies.style import save_styles
from pretrain.initialization import start_model
from pretrain.settings import TrainConfig
from pretrain.trainer import train
from rollouts.collect import CollectConfig, collect
from rollouts.improve import improve
from rollouts.improving.settings import OF_A_ROUND, ImproveConfig
from rollouts.output import claim
from rollouts.pages import improvement as page
from tests.proof.tables import ROOT, rate, table, write

TASKS = ("visual_manipulation", "scene_understanding", "rotate")
DEMONSTRATIONS, FIRST_STEPS = 80, 500
"""Of each task, seeds from 1,000,000; steps of the training before the first round."""
LOOP: dict[str, Any] = {"rounds": 3, "led": 100, "own": 20, "steps": 300}
VALIDATION, TEST = 50, 100
SEEN = ("image_encoder.",)
"""How the names of the weights begin that are the packaged nano's."""


def main(report: str, share: str = "1") -> int:
    def scaled(count: int) -> int:
        return max(2, round(count * float(share)))

    place = ROOT / "build" / "proof" / f"improvement_{share}"
    first = limited(place, scaled(DEMONSTRATIONS), scaled(FIRST_STEPS))
    output = claim(place / "loop")
    numbers = {name: count if name == "rounds" else scaled(count) for name, count in LOOP.items()}
    config = ImproveConfig(
        policy=str(first),
        output=str(output),
        env="vima",
        task=list(TASKS),
        data=str(place / "demonstrations"),
        control=True,
        validation_episodes=scaled(VALIDATION),
        test_episodes=scaled(TEST),
        **numbers,
    )
    record = improve(config, output, lambda so_far: page.write(output, so_far))
    parts = [
        "Begins with the packaged nano's image encoder, frozen, and fresh weights else, after "
        f"{scaled(FIRST_STEPS)} steps on {scaled(DEMONSTRATIONS)} demonstrations of each of {len(TASKS)} "
        f"tasks. A round adds {config.led} episodes of each task that the policy leads and the expert "
        f"labels, and those it solves of {config.own} of its own, and trains {config.steps} steps on all "
        f"sets. The control gets {config.led + config.own} demonstrations of each task a round, and as many "
        f"steps. Test seeds from {config.test_seed:,}, {config.test_episodes} of each task, Wilson 95 %; "
        f"what is kept is decided on {config.validation_episodes} other seeds of each task.",
    ]
    for arm in record["arms"]:
        head, *lines = page.round_lines(record, arm)
        parts += [f"## {'Rounds' if arm == 'improved' else 'The control'}", table(head, lines)]
    for other in record["compared"]:
        head, *lines = page.compared_lines(record, other)
        parts += [f"## Best weights against the {other}, same seeds", table(head, lines)]
    parts += [f"Test success of all tasks: {_from_to(record)}.", _minutes(record["seconds"])]
    write(report, "A policy that improves itself", f"python -m tests.proof.improvement {report}", *parts)
    return 0


def limited(place: Path, demonstrations: int, steps: int) -> Path:
    """Make the policy that begins, or go on with making it; return its directory."""
    data, eye, first = (place / name for name in ("demonstrations", "eye", "first"))
    collect(
        CollectConfig(
            output=str(data),
            tasks=TASKS,
            level="train",
            episodes=demonstrations * len(TASKS),
            seed=1_000_000,
            success_only=True,
        )
    )
    torch.manual_seed(0)
    fresh, _ = start_model("nano")
    packaged, _ = start_model("nano", trained=True)
    seen = {name: value for name, value in packaged.state_dict().items() if name.startswith(SEEN)}
    if not seen:
        raise SystemExit(f"the packaged nano has no weights named {SEEN}")
    fresh.load_state_dict({**fresh.state_dict(), **seen})
    fresh.save_pretrained(eye)
    save_styles(eye, {"vima": embodiments.get("vima").style(small=True)})
    settings = OF_A_ROUND | {"warmup": 50}
    train(TrainConfig(model=str(eye), data=(str(data),), output=str(first), steps=steps, **settings))
    return first


def _from_to(record: dict[str, Any]) -> str:
    rounds = record["arms"]["improved"]
    best = next(each for each in rounds if each["weights"] == rounds[-1]["best"])
    return f"{rate(rounds[0]['test'][-1])} at the start, {rate(best['test'][-1])} with the best weights"


def _minutes(seconds: dict[str, float]) -> str:
    """Where the time went."""
    spent = {"the loop": 0.0, "the control": 0.0}
    for stage, count in seconds.items():
        spent["the control" if stage.startswith("control") else "the loop"] += count
    return "; ".join(f"{name} took {count / 60:.0f} minutes" for name, count in spent.items()) + "."


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
