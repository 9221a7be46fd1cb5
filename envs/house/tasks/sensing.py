"""What a body tells besides colour: depth, which thing is where, the map it draws for itself, and its way."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np

from envs.house.simulator import HouseSimulator
from envs.house.tasks.egomap import SIDE

CAMERA = ("depth", "segmentation")
"""What the camera itself gives."""
SENSORS = (*CAMERA, "map", "route")


def spaces(sensors: Sequence[str], size: int, farthest_m: float) -> dict[str, gymnasium.Space]:
    """Return what observations of pictures of `size` pixels a side hold more, by key."""
    box, found = gymnasium.spaces.Box, {}
    if "depth" in sensors:
        found["depth"] = box(0, farthest_m, (size, size), np.float32)
    if "segmentation" in sensors:
        found["segm"] = box(-1, 2**31 - 1, (size, size), np.int32)
    more: dict[str, gymnasium.Space] = {
        name: gymnasium.spaces.Dict({"front": space}) for name, space in found.items()
    }
    if "map" in sensors:
        more["map"] = box(0, 255, (3, SIDE, SIDE), np.uint8)
    if "route" in sensors:
        low, high = np.array([0, -math.pi], np.float32), np.array([np.inf, math.pi], np.float32)
        more["waypoint"] = box(low, high, dtype=np.float32)
        more["in_sight"] = box(0, 1, (1,), np.float32)
    return more


def ids(segmentation: np.ndarray) -> np.ndarray:
    """Return the numbers that a segmentation (H, W) holds, ascending, -1 for nothing among them."""
    return np.flatnonzero(np.bincount(segmentation.ravel() + 1)) - 1


def objects(simulator: HouseSimulator, seen: Iterable[int]) -> list[dict[str, Any]]:
    """Tell of the things of these numbers, without what the house itself is made of: number in the picture,
    id, type, and where its middle is from the body, metres to the right, ahead and up.
    """
    stance, found = simulator.stance, []
    right = np.array([stance.forward[1], -stance.forward[0]])
    for number in seen:
        thing = simulator.scene.things[number] if number >= 0 else None
        if thing is None or not thing.movable:
            continue
        low, high = simulator.box(thing.id)
        away = (low + high)[:2] / 2 - stance.point
        position = [float(away @ right), float(away @ stance.forward), float((low + high)[2] / 2)]
        found.append({"id": int(number), "name": thing.id, "type": thing.type, "position": position})
    return found
