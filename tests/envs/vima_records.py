"""Recorded benchmark episodes put on our table, for tests."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.vima.scene import SPATULA, SUCTION, Scene

BOWL_CENTRE = (-0.0435, 0.0144)
"""Where the benchmark draws a bowl in its own frame; our bowls are centred."""


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
