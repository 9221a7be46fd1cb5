"""Nano learns tasks it was never shown with `uio2 improve`, beside a control with as many demonstrations.

The policy that begins is the packaged nano after a few steps on few demonstrations of the three tasks, which
are none of those that it has learned.

Usage: python -m tests.proof.improvement REPORT.md [SHARE]

SHARE, 1 by default, scales every number of episodes and steps: 0.05 tells in a few minutes whether it runs.
"""

import sys
from pathlib import Path
from typing import Any

from pretrain.settings import TrainConfig
from pretrain.trainer import train
from rollouts.collect import CollectConfig, collect
from rollouts.improve import improve
from rollouts.improving.settings import OF_A_ROUND, ImproveConfig
from rollouts.output import claim
from rollouts.pages import improvement as page
from tests.proof.tables import ROOT, rate, table, write

TASKS, LEVEL = ("same_texture", "follow_motion", "sweep_without_touching"), "novel_task"
DEMONSTRATIONS, FIRST_STEPS = 5, 30
"""Of each task, seeds from 1,000,000; steps of the training before the first round."""
LOOP: dict[str, Any] = {"rounds": 3, "led": 24, "own": 12, "steps": 100}
VALIDATION, TEST = 30, 100


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
        level=LEVEL,
        data=str(place / "demonstrations"),
        control=True,
        validation_episodes=scaled(VALIDATION),
        test_episodes=scaled(TEST),
        **numbers,
    )
    record = improve(config, output, lambda so_far: page.write(output, so_far))
    parts = [
        f"Begins with the packaged nano after {scaled(FIRST_STEPS)} steps on {scaled(DEMONSTRATIONS)} "
        f"demonstrations of each of {len(TASKS)} tasks that it had not learned. A round adds {config.led} "
        "episodes of each task that the policy leads and the expert "
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
    data, first = place / "demonstrations", place / "first"
    collect(
        CollectConfig(
            output=str(data),
            tasks=TASKS,
            level=LEVEL,
            episodes=demonstrations * len(TASKS),
            seed=1_000_000,
            success_only=True,
        )
    )
    settings = OF_A_ROUND | {"learning_rate": 0.0005}
    train(
        TrainConfig(
            model="nano", inherit="nano", data=(str(data),), output=str(first), steps=steps, **settings
        )
    )
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
