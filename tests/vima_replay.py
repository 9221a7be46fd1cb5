"""Play recorded VIMA-Bench actions on our table: `python -m tests.vima_replay FILE.jsonl [...]`.

Every recorded episode is set up from its recorded objects (`reset(options={"objects": ...})`) and gets the
recorded oracle's actions. Printed by task and level: how many episodes end as they did there, how far moved
objects come to rest from where they did (metres in the plane, of episodes with the suction cup), how far
the others drifted. Exits 1 if fewer than 95 % end as they did.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from envs.vima.environment import VimaEnv
from envs.vima.levels import level_name
from envs.vima.registration import TASKS
from tests.vima_seeds import read_episodes

MIN_AGREED = 0.95
MOVED_M = 0.01
"""An object that came to rest farther than this from its start was moved."""


@dataclass
class Outcome:
    """What replays of one task at one level came to."""

    episodes: int = 0
    agreed: int = 0
    apart: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def replay(record: dict[str, Any]) -> Outcome:
    """Play one recorded episode."""
    env = VimaEnv(record["task"], record["level"], oracle_rules=True)
    start = env.reset(seed=record["seed"], options={"objects": record["objects"]})[1]["objects"]
    for step in record["steps"]:
        _, _, terminated, _, info = env.step(step["action"])
        if terminated:
            break
    outcome = Outcome(episodes=1)
    found, expected = (info["success"], info["failure"]), (record["success"], record["failure"])
    outcome.agreed = int(found == expected)
    if not outcome.agreed:
        outcome.differ.append(
            f"{record['task']} {level_name(record['level'])} seed {record['seed']}: "
            f"success, failure {found} instead of {expected}"
        )
    for before, after in zip(start, info["objects"], strict=True):
        if record["end_effector"] == "suction" and str(after.id) in step["poses"]:
            position, _ = step["poses"][str(after.id)]
            distance = math.dist(after.position[:2], position[:2])
            moved = math.dist(before.position[:2], position[:2]) > MOVED_M
            (outcome.apart if moved else outcome.drift).append(distance)
    return outcome


def replay_all(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Outcome]:
    """Play every episode of a task there is, by task and level."""
    outcomes: dict[tuple[str, str], Outcome] = defaultdict(Outcome)
    for record in records:
        if record["task"] in TASKS and record["steps"]:
            outcomes[record["task"], level_name(record["level"])].add(replay(record))
    return dict(outcomes)


def lines(outcomes: dict[tuple[str, str], Outcome]) -> list[list[str]]:
    """Return the rows of the table: task, level, episodes, those that end alike, millimetres."""
    return [
        [
            task,
            level,
            str(outcome.episodes),
            str(outcome.agreed),
            *(
                f"{1000 * np.median(part):.1f} / {1000 * max(part):.1f}" if part else "–"
                for part in (outcome.apart, outcome.drift)
            ),
        ]
        for (task, level), outcome in outcomes.items()
    ]


HEAD = ["task", "level", "episodes", "end alike", "moved: median / most mm", "others: median / most mm"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.vima_replay", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    outcomes = replay_all(read_episodes(parser.parse_args(arguments).files))
    total = Outcome()
    for outcome in outcomes.values():
        total.add(outcome)
    for row in (HEAD, *lines(outcomes), *lines({("all", ""): total})):
        print(f"{row[0]:28}{row[1]:15}{row[2]:>9}{row[3]:>11}{row[4]:>26}{row[5]:>26}")
    print(*total.differ, sep="\n")
    return 0 if total.episodes and total.agreed >= MIN_AGREED * total.episodes else 1


if __name__ == "__main__":
    sys.exit(main())
