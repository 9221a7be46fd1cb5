"""The floor of a scene and what stands on it, for one body: where it is free to go.

Frame: envs.house.scene's.
"""

import math
from dataclasses import dataclass

import numpy as np

from envs.house.navigation import Footprint, NavigationGrid, Obstacles
from envs.house.navigation.floors import navigation_grid
from envs.house.scene import Scene


def wrapped(angle: float) -> float:
    """Bring an angle into [-π, π)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


@dataclass(frozen=True)
class Stance:
    """Where a body stands and looks."""

    x: float
    y: float
    yaw: float = 0.0
    pitch: float = 0.0
    eye: float = 1.576
    """Height of the camera."""

    @property
    def point(self) -> np.ndarray:
        return np.array([self.x, self.y])

    @property
    def forward(self) -> np.ndarray:
        return np.array([-math.sin(self.yaw), math.cos(self.yaw)])

    @property
    def position(self) -> np.ndarray:
        """The eye, (3,)."""
        return np.array([self.x, self.y, self.eye])


class Ground:
    """One scene's floors and obstacles.

    Arguments:
        scene: what there is.
        body: the cylinder that moves.
    """

    def __init__(self, scene: Scene, body: Footprint) -> None:
        self.scene = scene
        self.obstacles = Obstacles(scene, body)
        self._floors = _floor_rectangles(scene)
        self._grids: dict[int, NavigationGrid] = {}

    @property
    def grid(self) -> NavigationGrid:
        """The places where the body can stand, as things stand now."""
        version = self.obstacles.version
        if version not in self._grids:
            if len(self._grids) >= 4:
                self._grids.pop(next(iter(self._grids)))
            self._grids[version] = navigation_grid(self.scene, self.obstacles)
        return self._grids[version]

    def slid(self, stance: Stance, ahead: float, along: bool = True) -> tuple[np.ndarray, bool]:
        """Return where a straight way ahead leads from a stance, (2,) metres, and whether the body would be
        held up: then it goes up to what is in the way, and `along` it.
        """
        wanted = stance.point + ahead * stance.forward
        if self.way_blocked(stance.point, wanted) is None:
            return wanted, False
        touch = self._as_far(stance.point, wanted)
        if not along:
            return touch, True
        left, normal = wanted - touch, self._away(touch)
        return self._as_far(touch, touch + left - min(float(left @ normal), 0.0) * normal), True

    def _as_far(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the point furthest on a straight way that the body can go to, to a millimetre or so."""
        if self.way_blocked(start, end) is None:
            return end
        low, high = 0.0, 1.0
        for _ in range(8):
            middle = (low + high) / 2
            low, high = (
                (middle, high)
                if self.way_blocked(start, start + middle * (end - start)) is None
                else (low, middle)
            )
        return start + low * (end - start)

    def _away(self, point: np.ndarray) -> np.ndarray:
        """Return the direction (2,) in which what is nearest to a point falls behind fastest."""
        step = 0.01
        sides = point + step * np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        east, west, north, south = self.obstacles.clearance(sides)
        slope = np.array([east - west, north - south])
        size = float(np.linalg.norm(slope))
        return slope / size if size > 1e-9 else np.zeros(2)

    def way_blocked(self, start: np.ndarray, end: np.ndarray) -> int | None:
        """Return the place of what would stop the body on a straight way, -1 for the end of the floor."""
        found = self.obstacles.blocks(start, end)
        return -1 if found is None and not self.on_floor(end) else found

    def on_floor(self, point: np.ndarray) -> bool:
        """Return whether a point (x, y) lies on any floor."""
        return bool(self.on_floors(point[None])[0])

    def on_floors(self, points: np.ndarray) -> np.ndarray:
        """Return the same for points (N, 2); bool (N,)."""
        low, high = self._floors
        points = points[:, None]
        return ((low - 1e-6 <= points) & (points <= high + 1e-6)).all(-1).any(-1)

    def floor_mask(self, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        """Return which points of a grid lie on any floor; bool (len(xs), len(ys))."""
        low, high = self._floors
        wide = (low[:, :1] - 1e-6 <= xs) & (xs <= high[:, :1] + 1e-6)  # (K, nx)
        deep = (low[:, 1:] - 1e-6 <= ys) & (ys <= high[:, 1:] + 1e-6)
        return (wide[:, :, None] & deep[:, None]).any(0)


def _floor_rectangles(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The corners of all rectangles of floor, (K, 2) each."""
    corners = [
        (np.array(thing.position[:2]) + part.position[:2], np.array(part.size[:2]) / 2)
        for thing in scene.things
        if thing.type == "Floor"
        for part in thing.parts
    ]
    centres, halves = (np.array([pair[k] for pair in corners]).reshape(-1, 2) for k in (0, 1))
    return centres - halves, centres + halves
