"""Reading an action dict: what the environment accepts, and the one line it answers to anything else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError, shown
from envs.inputs import numbers
from envs.poses import yaw_of
from envs.vima.table.spawning import HIGH_XY, LOW_XY

ACTION_KEYS = ("pose0_position", "pose0_rotation", "pose1_position", "pose1_rotation")


@dataclass(frozen=True)
class Motion:
    """One macro action: from where to where, in metres on the table, and the tool's yaw (radians) at either
    end.
    """

    start: tuple[float, float]
    start_yaw: float
    end: tuple[float, float]
    end_yaw: float


def action_space(seed: int | None = None) -> gymnasium.spaces.Dict:
    """Return the action space of VIMA-Bench: two (x, y) positions and two quaternions xyzw."""
    position = {
        "low": np.array(LOW_XY, np.float32),
        "high": np.array(HIGH_XY, np.float32),
        "dtype": np.float32,
    }
    rotation = {"low": -1.0, "high": 1.0, "shape": (4,), "dtype": np.float32}
    spaces = {
        key: gymnasium.spaces.Box(**(position if key.endswith("position") else rotation))
        for key in ACTION_KEYS
    }
    return gymnasium.spaces.Dict(spaces, seed=seed)


def read_action(action: Mapping[str, Any]) -> Motion:
    """Read an action: positions are clipped to the workspace; a rotation is a yaw or any quaternion xyzw.

    A quaternion need not be normalised, and only its turn about z counts; the zero quaternion means no turn.
    Raises EnvError for a missing part, and for one that is not finite numbers in a flat list or array.
    """
    if not isinstance(action, Mapping) or not all(key in action for key in ACTION_KEYS):
        found = shown(list(action)) if isinstance(action, Mapping) else type(action).__name__
        raise EnvError(f"an action is a mapping of {', '.join(ACTION_KEYS)}; got {found}")
    return Motion(
        _position(action, "pose0_position"),
        _yaw(action, "pose0_rotation"),
        _position(action, "pose1_position"),
        _yaw(action, "pose1_rotation"),
    )


def _position(action: Mapping[str, Any], key: str) -> tuple[float, float]:
    x, y = numbers(action[key], f"action[{key!r}]", (2,)).tolist()
    return min(max(x, LOW_XY[0]), HIGH_XY[0]), min(max(y, LOW_XY[1]), HIGH_XY[1])


def _yaw(action: Mapping[str, Any], key: str) -> float:
    values = numbers(action[key], f"action[{key!r}]", (1, 4))
    if len(values) == 1:
        yaw = float(values[0])
        return yaw if abs(yaw) <= math.tau else math.remainder(yaw, math.tau)
    largest = float(np.abs(values).max())
    if largest == 0:
        return 0.0
    if not 1e-100 < largest < 1e100:  # else a square would be 0 or infinite
        values = values / largest
    return yaw_of(tuple(values / math.sqrt(float(values @ values))))
