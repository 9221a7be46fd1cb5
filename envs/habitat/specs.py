"""Bodies, cameras and places as Habitat takes them; refused here where habitat-sim would end the process."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.errors import EnvError, shown, unknown_name

MOVES = ("move_forward", "move_backward", "turn_left", "turn_right", "look_up", "look_down")
KINDS = ("color", "depth")
_LARGEST = 8192
"""Pixels along a side that graphics drivers still allow."""


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera on the body. Raises EnvError for what habitat-sim aborts on, or draws nonsense of."""

    name: str = "rgb"
    kind: str = "color"
    height: int = 256
    width: int = 256
    hfov: float = 90.0
    """Horizontal field of view, degrees."""
    eye: float = 1.25
    """Metres above the foot."""
    near: float = 0.01
    far: float = 1000.0

    def __post_init__(self) -> None:
        told = f"camera {shown(self.name)}"
        if not isinstance(self.name, str) or not self.name:
            raise EnvError("a camera needs a name: name='rgb'")
        if self.kind not in KINDS:
            raise unknown_name("kind of camera", self.kind, KINDS)
        for side in ("height", "width"):
            value = getattr(self, side)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST:
                raise EnvError(f"{told}: {side}={value!r}, give 1 to {_LARGEST} pixels")
        for name, low, high in (("hfov", 0, 180), ("near", 0, math.inf), ("far", 0, math.inf)):
            value = getattr(self, name)
            if not _finite(value) or not low < value < high:
                raise EnvError(f"{told}: {name}={value!r}, give more than {low:g} and less than {high:g}")
        if not self.near < self.far:
            raise EnvError(f"{told}: near={self.near:g} is not less than far={self.far:g}")
        if not _finite(self.eye):
            raise EnvError(f"{told}: eye={self.eye!r}, give its height in metres")


@dataclass(frozen=True)
class AgentSpec:
    """A body and its steps: metres and degrees."""

    height: float = 1.5
    radius: float = 0.1
    step: float = 0.25
    turn: float = 10.0
    tilt: float = 30.0
    sliding: bool = True

    def __post_init__(self) -> None:
        for name in ("height", "radius", "step", "turn", "tilt"):
            value = getattr(self, name)
            if not _finite(value) or value <= 0:
                raise EnvError(f"body: {name}={value!r}, give a positive number")


def checked_cameras(cameras: Sequence[CameraSpec]) -> tuple[CameraSpec, ...]:
    """Return the cameras. Raises EnvError for none, or two of one name."""
    if not cameras:
        raise EnvError("no camera: without one habitat-sim loads no scene; give at least one CameraSpec")
    names = [camera.name for camera in cameras]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise EnvError(f"two cameras are named {', '.join(map(repr, twice))}: give each its own name")
    return tuple(cameras)


def checked_move(action: object) -> str:
    """Return the name of a move. Raises EnvError for another, with the nearest."""
    if not isinstance(action, str) or action not in MOVES:
        raise unknown_name("move", action, MOVES)
    return action


def checked_point(point: object, name: str = "point") -> np.ndarray:
    """Return (3,) float64. Raises EnvError for another shape, or for what is not finite."""
    try:
        found = np.asarray(point, float)
    except (TypeError, ValueError) as error:
        raise EnvError(f"{name}={shown(point)}: give three numbers, x, y (up) and z in metres") from error
    if found.shape != (3,):
        raise EnvError(f"{name}={shown(point)}: give three numbers, x, y (up) and z in metres")
    if not np.isfinite(found).all():
        raise EnvError(f"{name}={shown(point)}: not finite")
    return found


def checked_rotation(rotation: object) -> np.ndarray:
    """Return a unit quaternion (x, y, z, w). Raises EnvError for another, and for a body that leans."""
    try:
        found = np.asarray(rotation, float)
    except (TypeError, ValueError) as error:
        raise EnvError(f"rotation={shown(rotation)}: give a unit quaternion x, y, z, w") from error
    if found.shape != (4,) or not np.isfinite(found).all() or abs(np.linalg.norm(found) - 1) > 1e-3:
        raise EnvError(f"rotation={shown(rotation)}: give a unit quaternion x, y, z, w")
    found = found / np.linalg.norm(found)
    if abs(found[0]) > 1e-3 or abs(found[2]) > 1e-3:
        raise EnvError(f"rotation={shown(rotation)}: a body stands upright, it only turns about y")
    return found


def yaw_of(rotation: Sequence[float]) -> float:
    """Return the angle in radians, to the left positive, of a rotation (x, y, z, w) about y."""
    _, y, _, w = rotation
    return 2 * math.atan2(y, w)


def rotation_of(yaw: float) -> np.ndarray:
    """Return the rotation (x, y, z, w) of an angle to the left, radians."""
    return np.array([0.0, math.sin(yaw / 2), 0.0, math.cos(yaw / 2)])


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
