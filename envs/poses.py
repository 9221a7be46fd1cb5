"""Poses in the plane and in space: positions in metres, quaternions xyzw, yaws in radians about z.

Unusual: plain arithmetic on numbers, not scipy's `Rotation`. One quaternion at a time is 6 to 130 times
faster so, which counts inside a motion, and seeds keep their bytes: `Rotation` rounds half to nine tenths of
all matrices, yaws and products otherwise in the last digit (tests/envs/test_poses.py compares the two).

MuJoCo orders quaternions wxyz, everybody else here xyzw; `wxyz` and `unit_from_wxyz` stand between them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

_FROM_WXYZ = np.array([1, 2, 3, 0])

IDENTITY: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Pose:
    """A rigid pose: position in metres, unit quaternion xyzw."""

    position: Vector
    quaternion: Quaternion = IDENTITY

    @property
    def yaw(self) -> float:
        """Angle about z in radians, in (-π, π]; the heading of the local x axis."""
        return yaw_of(self.quaternion)


# yaws


def yaw_of(quaternion: Sequence[float]) -> float:
    """Return the turn about z (radians) of a quaternion xyzw of any length; zero gives 0."""
    x, y, z, w = (float(value) for value in quaternion)
    return math.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)


def as_yaw(rotation: float | Sequence[float]) -> float:
    """Read a yaw from a number of radians or any quaternion xyzw.

    >>> as_yaw(0.5), as_yaw((0, 0, 0, 0))
    (0.5, 0.0)
    """
    if isinstance(rotation, int | float) or np.ndim(rotation) == 0:
        return float(rotation)
    return yaw_of(rotation)


def yaw_quaternion(yaw: float) -> Quaternion:
    """Return the quaternion xyzw of a rotation by `yaw` radians about z."""
    return (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))


def yaw_matrix(yaw: float) -> np.ndarray:
    """Return the matrix (3, 3) of a rotation by `yaw` radians about z."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def offset(origin: Sequence[float], delta: Sequence[float], yaw: float) -> tuple[float, float]:
    """Return origin + delta turned by `yaw`, in the plane (x, y)."""
    c, s = math.cos(yaw), math.sin(yaw)
    dx, dy = delta
    return origin[0] + c * dx - s * dy, origin[1] + s * dx + c * dy


# quaternions


def turned(quaternion: Sequence[float], yaw: float) -> np.ndarray:
    """Turn a quaternion xyzw by `yaw` radians about the world's z; returns (4,)."""
    s, c = math.sin(yaw / 2), math.cos(yaw / 2)
    x, y, z, w = quaternion
    return np.array([c * x - s * y, c * y + s * x, c * z + s * w, c * w - s * z])


def unit(quaternion: Sequence[float]) -> np.ndarray:
    """Normalise a quaternion; zero becomes the identity."""
    value = np.asarray(quaternion, float).copy()
    norm = float(np.linalg.norm(value))
    return value / norm if norm > 1e-9 else np.array(IDENTITY)


def rotation_matrix(quaternion: Sequence[float]) -> np.ndarray:
    """Return the matrix (3, 3) of a unit quaternion xyzw."""
    x, y, z, w = quaternion.tolist() if isinstance(quaternion, np.ndarray) else map(float, quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def wxyz(quaternion: Sequence[float]) -> Quaternion:
    """Bring a quaternion xyzw into MuJoCo's order."""
    return (quaternion[3], quaternion[0], quaternion[1], quaternion[2])


def unit_from_wxyz(quaternion: Sequence[float]) -> np.ndarray:
    """Return MuJoCo's quaternion wxyz as xyzw (4,), normalised; it must not be zero."""
    w, x, y, z = quaternion
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    return np.array([x, y, z, w]) / norm


def units_from_wxyz(quaternions: np.ndarray) -> np.ndarray:
    """Return MuJoCo's quaternions wxyz (..., 4) as `unit_from_wxyz` does each of them, to the bit."""
    xyzw = quaternions[..., _FROM_WXYZ]
    squares = xyzw * xyzw
    norm = squares[..., :1] + squares[..., 1:2]  # one after the other, as there
    norm += squares[..., 2:3]
    norm += squares[..., 3:]
    xyzw /= np.sqrt(norm, out=norm)
    return xyzw
