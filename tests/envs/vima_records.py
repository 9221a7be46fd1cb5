"""Recorded benchmark episodes put on our table, for tests."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envs.vima.environment import VimaEnv
from envs.vima.table.scene import Scene
from envs.vima.table.tools import SPATULA, SUCTION

BOWL_CENTRE = (-0.0435, 0.0144)
"""Where the benchmark draws a bowl in its own frame; our bodies stand at their middle."""


def episodes(shared: Path, levels: str = "1234") -> Iterator[dict[str, Any]]:
    """Read the recorded episodes of levels L1 … L4."""
    for level in levels:
        with open(shared / "fixtures" / "vima" / f"L{level}.jsonl") as lines:
            yield from map(json.loads, lines)


def build(episode: dict[str, Any]) -> tuple[Scene, dict[int, int]]:
    """Put an episode's objects on a table; return it with our id of each recorded id."""
    scene = Scene(SUCTION if episode["end_effector"] == "suction" else SPATULA)
    ids = {}
    for record in episode["objects"]:
        x, y, z = record["spawn_pos"]
        if record["name"] == "bowl":
            c, s = math.cos(yaw_of(record["spawn_quat"])), math.sin(yaw_of(record["spawn_quat"]))
            x, y = x + c * BOWL_CENTRE[0] - s * BOWL_CENTRE[1], y + s * BOWL_CENTRE[0] + c * BOWL_CENTRE[1]
        ids[record["id"]] = scene.add(
            record["name"], record["texture"], (x, y, z), record["spawn_quat"], record["size"],
            record["category"] == "fixed", record["scaling"],
        )  # fmt: skip
    return scene, ids


def yaw_of(quaternion: list[float]) -> float:
    return 2 * math.atan2(quaternion[2], quaternion[3])


def assert_recorded_goals(env: VimaEnv, episode: dict[str, Any], *, yaw_matters: bool) -> None:
    """Begin an episode on its recorded objects: the goals and distractors are the recorded ones, in order."""
    env.reset(seed=episode["seed"], options={"objects": episode["objects"]})
    cast = env.state()["cast"]
    assert list(cast.distractors) == episode["distractors"]
    assert (env.task.position_tolerance, env.task.oracle_max_steps) == (
        episode["pos_eps"],
        episode["oracle_max_steps"],
    )
    for ours, theirs in zip(cast.goals, episode["goals"], strict=True):
        assert list(ours.objects) == theirs["objs"] and ours.oracle_only == theirs["oracle_only"]
        assert theirs["metric"] == "pose" and ours.zone is None and ours.yaw_matters == yaw_matters
        (target,), ((position, quaternion),) = ours.targets, theirs["targets"]
        assert math.dist(target.position, position) < 1e-3
        assert abs(math.remainder(target.yaw - yaw_of(quaternion), 2 * math.pi)) < 1e-3


def picture_errors(assets: Mapping[str, Any], episode: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Compare prompt pictures with the recorded ones: for every body and view the largest distance of a box
    side in pixels (infinite where we do not show it) and the relative difference of the area.
    """
    for name, theirs in episode["prompt_assets"].items():
        for view, bodies in theirs["px"].items():
            segm = assets[name]["segm"][view]
            for body, seen in bodies.items():
                rows, columns = np.nonzero(segm == int(body))
                if not len(rows):
                    yield math.inf, math.inf
                    continue
                box = (rows.min(), columns.min(), rows.max(), columns.max())
                yield float(np.abs(np.subtract(box, seen["bbox_rc"])).max()), len(rows) / seen["n"] - 1
