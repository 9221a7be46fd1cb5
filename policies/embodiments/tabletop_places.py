"""Where things are on the tabletop, in the numbers of its actions and in the pixels of its two cameras.

The cameras are orthographic, so that a place on the table is a pixel by two multiplications. Angles are yaws
about the vertical, radians.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from uio2_agent.errors import UIO2Error

LOW = np.array([0.25, -0.5])
"""Lower bounds of x and y, metres."""
HIGH = np.array([0.75, 0.5])
"""Upper bounds of x and y, metres."""
_HEIGHT, _WIDTH = 128, 256
"""Of the pictures that the pixel numbers below are given for."""


def yaw_of(rotation: float | Sequence[float] | np.ndarray) -> float:
    """Return the yaw in [0, 2π) of a float yaw or a quaternion xyzw of any length (of length 0: yaw 0).

    Raises:
        UIO2Error: Neither a number nor four numbers, or not finite.
    """
    values = np.asarray(rotation, dtype=np.float64)
    if values.size not in (1, 4) or not np.all(np.isfinite(values)):
        raise UIO2Error(f"a rotation must be a finite yaw or a quaternion x, y, z, w, got {rotation!r}")
    if values.size == 1:
        yaw = float(values.reshape(()))
    elif not values.any():
        yaw = 0.0
    else:
        x, y, z, w = (values.reshape(4) / np.abs(values).max()).tolist()
        yaw = math.atan2(2 * (x * y + z * w), x * x + w * w - y * y - z * z)  # where the x axis points
    yaw %= 2 * math.pi
    return 0.0 if yaw >= 2 * math.pi else yaw  # -1e-20 % 2π is 2π itself


def quaternion_of(yaw: float) -> np.ndarray:
    """Return the unit quaternion xyzw, float32 (4,), of a rotation by `yaw` radians about z."""
    return np.array([0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)], np.float32)


def facing(yaw: float) -> np.ndarray:
    """Return the direction [2] of a yaw."""
    return np.array([math.cos(yaw), math.sin(yaw)])


def pixel(camera: str, position: Sequence[float], size: tuple[int, int]) -> tuple[float, float]:
    """Return column and row of a point (x, y[, z]) in metres, in a picture of (height, width) = `size`."""
    x, y, z = float(position[0]), float(position[1]), float(position[2]) if len(position) > 2 else 0.0
    if camera == "top":
        column, row = 128 + 250.98 * y, 64 + 250.98 * (x - 0.5)
    else:
        column, row = 128 + 251.4 * y, 80 + 177.78 * (x - 0.5) - 177.78 * z
    rows, columns = scaled(row + 0.5, column + 0.5, *size)
    return float(columns), float(rows)


def scaled(rows: Any, columns: Any, height: int, width: int) -> tuple[Any, Any]:
    """Where pixels of 128 x 256 lie in a picture of another size: the cameras keep pixels square and all that
    the benchmark's pictures show in sight.
    """
    factor = min(height / _HEIGHT, width / _WIDTH)
    return height / 2 + factor * (rows - _HEIGHT / 2), width / 2 + factor * (columns - _WIDTH / 2)
