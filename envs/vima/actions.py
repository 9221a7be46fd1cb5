"""Reading an action dict: what the environment accepts, and the one line it answers to anything else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError
from envs.poses import yaw_of
from envs.vima.table.spawning import HIGH_XY, LOW_XY

_KEYS = ("pose0_position", "pose0_rotation", "pose1_position", "pose1_rotation")


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
        key: gymnasium.spaces.Box(**(position if key.endswith("position") else rotation)) for key in _KEYS
    }
    return gymnasium.spaces.Dict(spaces, seed=seed)


def read_action(action: Mapping[str, Any]) -> Motion:
    """Read an action: positions are clipped to the workspace; a rotation is a yaw or any quaternion xyzw.

    A quaternion need not be normalised, and only its turn about z counts; the zero quaternion means no turn.
    """
    if not isinstance(action, Mapping) or not all(key in action for key in _KEYS):
        found = ", ".join(map(str, action)) if isinstance(action, Mapping) else type(action).__name__
        raise EnvError(f"an action is a mapping of {', '.join(_KEYS)}; got {found}")
    return Motion(
        _position(action, "pose0_position"),
        _yaw(action, "pose0_rotation"),
        _position(action, "pose1_position"),
        _yaw(action, "pose1_rotation"),
    )


def _position(action: Mapping[str, Any], key: str) -> tuple[float, float]:
    x, y = np.clip(_numbers(action, key, (2,)), LOW_XY, HIGH_XY)
    return float(x), float(y)


def _yaw(action: Mapping[str, Any], key: str) -> float:
    values = _numbers(action, key, (1, 4))
    if len(values) == 1:
        return float(values[0])
    length = math.sqrt(float(values @ values))
    return yaw_of(tuple(values / length)) if length > 0 else 0.0


def _numbers(action: Mapping[str, Any], key: str, lengths: tuple[int, ...]) -> np.ndarray:
    try:
        values = np.asarray(action[key], np.float64).reshape(-1)
    except (TypeError, ValueError):
        values = np.empty(0)
    if len(values) not in lengths or not np.isfinite(values).all():
        expected = " or ".join(map(str, lengths))
        raise EnvError(f"action[{key!r}] must be {expected} finite number(s); got {action[key]!r}")
    return values
