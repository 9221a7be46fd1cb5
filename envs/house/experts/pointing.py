"""Where in the picture a body points to mean a thing, and from where it can.

A thing is meant by the first solid that the ray through a point of the picture meets, as AI2-THOR's actions
with x and y have it. Points of the thing's box are tried, its middle first.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from envs.house.rendering import looking
from envs.house.sight import box_points, distance
from envs.house.simulator import HouseSimulator, Stance
from envs.house.thor.settings import FAR

_MARGIN = 0.06
"""Share of the picture along its sides that is not pointed into."""
_STEADY = 0.003
"""Share of the picture by which a point may be off and still mean the thing, where there is such a point."""
_FIRST = 11
"""Points of a box that are looked at to tell whether it can be pointed at at all."""


@dataclass(frozen=True)
class Lens:
    """How a body looks: a square picture, and steps of its turns. Angles in radians."""

    vertical_fov: float
    turn: float
    tilt: float
    pitch_limits: tuple[float, float]

    @property
    def slope(self) -> float:
        return math.tan(self.vertical_fov / 2)


@dataclass(frozen=True)
class Aim:
    """What to do to point at a thing: turns to the left, tilts upwards, then where in the picture."""

    turns: int
    tilts: int
    point: tuple[float, float]
    """Across and down from the upper left, 0 to 1; each is a float32."""


def marks(simulator: HouseSimulator, id: str, eye: np.ndarray) -> np.ndarray:
    """Return those of the points of a thing's box that a ray from an eye finds it by, (N, 3)."""
    points = box_points(simulator, id)
    return points[[_meets(simulator, id, eye, point - eye) for point in points]]


def _meets(simulator: HouseSimulator, id: str, eye: np.ndarray, way: np.ndarray) -> bool:
    met, _ = simulator.ray(eye, eye + way * (FAR / max(math.hypot(*way), 1e-9)))
    return met == simulator.place[id]


def in_reach(simulator: HouseSimulator, id: str, stance: Stance, reach: float, lens: Lens) -> bool:
    """Return whether a body at a place can point at a thing, whichever way it looks now."""
    if distance(simulator, id, stance) > reach:
        return False
    eye, (low, high) = stance.position, lens.pitch_limits
    edge = math.atan((1 - 2 * _MARGIN) * lens.slope)
    for way in box_points(simulator, id)[:_FIRST] - eye:
        angle = math.atan2(way[2], math.hypot(way[0], way[1]))
        if low - edge <= angle <= high + edge and _meets(simulator, id, eye, way):
            return True
    return False


def aim(simulator: HouseSimulator, id: str, stance: Stance, lens: Lens) -> Aim | None:
    """Return the fewest turns and tilts after which a point of the picture means a thing; None for none."""
    points = marks(simulator, id, stance.position)
    half = round(math.pi / lens.turn)
    low, high = lens.pitch_limits
    looks = itertools.product(range(1 - half, half + 1), range(-4, 5))
    unsteady = None
    for turns, tilts in sorted(looks, key=lambda look: abs(look[0]) + abs(look[1])):
        pitch = stance.pitch + tilts * lens.tilt
        if not low - 1e-6 <= pitch <= high + 1e-6:
            continue
        looked = replace(stance, yaw=stance.yaw + turns * lens.turn, pitch=pitch)
        for point in _in_picture(points, looked, lens):
            found = Aim(turns, tilts, point)
            if _steady(simulator, id, looked, lens, point):
                return found
            unsteady = unsteady or found
    return unsteady


def _in_picture(points: np.ndarray, stance: Stance, lens: Lens) -> list[tuple[float, float]]:
    """Where the points are in the picture, those that are well within it."""
    local = (points - stance.position) @ looking(stance.yaw, stance.pitch)  # right, up, back
    ahead = np.maximum(-local[:, 2], 1e-9)
    places = np.stack([1 + local[:, 0] / ahead / lens.slope, 1 - local[:, 1] / ahead / lens.slope], 1) / 2
    inside = (local[:, 2] < -1e-3) & ((places > _MARGIN) & (places < 1 - _MARGIN)).all(1)
    return [(float(x), float(y)) for x, y in places[inside].astype(np.float32)]


def _steady(
    simulator: HouseSimulator, id: str, stance: Stance, lens: Lens, point: tuple[float, float]
) -> bool:
    axes = looking(stance.yaw, stance.pitch)
    for dx, dy in ((0, 0), (_STEADY, 0), (-_STEADY, 0), (0, _STEADY), (0, -_STEADY)):
        across, down = point[0] + dx, point[1] + dy
        way = axes @ np.array([(2 * across - 1) * lens.slope, (1 - 2 * down) * lens.slope, -1.0])
        if not _meets(simulator, id, stance.position, way):
            return False
    return True
