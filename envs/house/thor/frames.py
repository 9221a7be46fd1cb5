"""Between Unity's frame, in which AI2-THOR speaks, and the scene's.

Unity: left-handed, metres, y up; yaw 0 looks along +z and 90 along +x; a horizon is positive looking down;
degrees. Scene: envs.house.scene's.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from envs.house.scene import from_unity


def vector(point: Iterable[float]) -> dict[str, float]:
    """Return a point or a size of the scene as Unity's {x, y, z}."""
    x, y, z = (float(value) for value in from_unity(tuple(point)))
    return {"x": x, "y": y, "z": z}


def point(position: Mapping[str, float]) -> np.ndarray:
    """Return Unity's {x, y, z} as a point of the scene, (3,)."""
    return np.array(from_unity((position["x"], position["y"], position["z"])))


def euler(rotation: np.ndarray) -> dict[str, float]:
    """Return a rotation of the scene (3, 3) as Unity's Euler degrees, each in [0, 360).

    >>> from envs.house.scene import unity_rotation
    >>> euler(unity_rotation((0, 270, 0)))
    {'x': 0.0, 'y': 270.0, 'z': 0.0}
    """
    turn = rotation[[0, 2, 1]][:, [0, 2, 1]]
    x = math.asin(max(-1.0, min(1.0, -turn[1, 2])))
    if abs(turn[1, 2]) < 1 - 1e-9:
        y, z = math.atan2(turn[0, 2], turn[2, 2]), math.atan2(turn[1, 0], turn[1, 1])
    else:  # straight up or down, where yaw and roll are one
        y, z = math.atan2(-turn[2, 0], turn[0, 0]), 0.0
    return {axis: wrapped(math.degrees(angle)) for axis, angle in (("x", x), ("y", y), ("z", z))}


def wrapped(degrees: float) -> float:
    """Bring an angle into [0, 360), rid of rounding.

    >>> wrapped(-90.0), wrapped(360 - 1e-12)
    (270.0, 0.0)
    """
    return round(degrees % 360, 9) % 360
