"""Where carried things come to rest, upstream and here: `python -m tests.vima_rest FILE.jsonl [...]`.

Recorded suction episodes are set up from their recorded objects and get the recorded actions. After each step
the moved object is compared with where the action carries it (its pose moved and turned about the pick), the
others with where they were, and its height with nothing but the other simulator's: by what it lies on.
"""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.poses import Pose, yaw_of
from envs.vima.environment import VimaEnv
from envs.vima.registration import TASKS
from tests.vima_seeds import read_episodes

MOVED_M = 0.01
UNDER_M = 0.06
"""What has its middle this near lies under the object."""
HEAD = ["", "n", "upstream", "here"]
UPSTREAM, HERE = 0, 1

Poses = Mapping[int, Pose]
Figures = dict[str, tuple[list[float], list[float]]]
"""Measured numbers by what they are of, upstream's and ours."""


def measure(records: Iterable[Mapping[str, Any]]) -> Figures:
    """Measure every suction episode of a task there is."""
    figures: Figures = defaultdict(lambda: ([], []))
    for record in records:
        if record["task"] not in TASKS or record["end_effector"] != "suction":
            continue
        env = VimaEnv(record["task"], record["level"], oracle_rules=True)
        objects = env.reset(seed=record["seed"], options={"objects": record["objects"]})[1]["objects"]
        start: Poses = {each.id: each.pose for each in objects}
        names = {each.id: each.name for each in objects}
        fixed = {each.id for each in objects if each.fixed}
        before = [start, start]
        for step in record["steps"]:
            info = env.step(step["action"])[4]
            theirs = {int(body): Pose(tuple(at), tuple(turn)) for body, (at, turn) in step["poses"].items()}
            ours = {each.id: each.pose for each in info["objects"]}
            moved = _moved(before[UPSTREAM], theirs)
            if moved is not None and moved == _moved(before[HERE], ours):
                for side, after in ((UPSTREAM, {**start, **theirs}), (HERE, ours)):
                    _note(figures, side, moved, before[side], after, step["action"], names, fixed)
            before = [{**start, **theirs}, ours]
    return figures


def _moved(before: Poses, after: Poses) -> int | None:
    """The one object that is elsewhere or turned."""
    far = [body for body, pose in after.items() if math.dist(pose.position, before[body].position) > MOVED_M]
    return far[0] if len(far) == 1 else None


def _note(
    figures: Figures,
    side: int,
    moved: int,
    before: Poses,
    after: Poses,
    action: Mapping[str, Sequence[float]],
    names: Mapping[int, str],
    fixed: set[int],
) -> None:
    start, pick, place = before[moved], action["pose0_position"], action["pose1_position"]
    turn = yaw_of(action["pose1_rotation"]) - yaw_of(action["pose0_rotation"])
    dx, dy = start.position[0] - pick[0], start.position[1] - pick[1]
    c, s = math.cos(turn), math.sin(turn)
    goal = (place[0] + c * dx - s * dy, place[1] + s * dx + c * dy)
    now, name = after[moved], names[moved]
    under = [
        body
        for body, pose in after.items()
        if body != moved and math.dist(pose.position[:2], now.position[:2]) < UNDER_M
    ]
    below = names[under[0]] if under and under[0] in fixed else "another object" if under else "the table"
    if below != "bowl":  # in a bowl things slide and tilt
        figures["place, mm from where it was carried"][side].append(1e3 * math.dist(now.position[:2], goal))
        off = math.remainder(now.yaw - start.yaw - turn, 2 * math.pi)
        figures["turn, degrees off"][side].append(math.degrees(abs(off)))
    if name not in ("block", "shorter block"):  # a prism's origin is at its foot, a box's in its middle
        figures[f"height on {below}, mm"][side].append(1e3 * now.position[2])
    for body, pose in after.items():
        if body != moved and body not in fixed:
            drift = 1e3 * math.dist(pose.position[:2], before[body].position[:2])
            figures["bystanders, mm they moved"][side].append(drift)


def lines(figures: Figures) -> list[list[str]]:
    """Return rows: what, how many, and of either side median, 90th percentile and most."""
    rows = []
    for name, sides in sorted(figures.items(), key=lambda item: (item[0].startswith("height"), item[0])):
        cells = ["{:.2f} / {:.2f} / {:.2f}".format(*np.percentile(side, (50, 90, 100))) for side in sides]
        rows.append([name, str(len(sides[HERE])), *cells])
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.vima_rest", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    figures = measure(read_episodes(parser.parse_args(arguments).files))
    for row in (HEAD, *lines(figures)):
        print(f"{row[0]:40}{row[1]:>5}{row[2]:>28}{row[3]:>28}")
    return 0 if figures else 1


if __name__ == "__main__":
    sys.exit(main())
