"""The map that a walker draws for itself: what it has measured so far, seen from above, with itself in the
middle and its nose up.

It holds nothing but what pictures and steps have told since the episode began: floor that was seen or walked,
what stands in the way (measured, or run into), the way walked, and the goal: a point that is told, or where
something was seen that is looked for.
Unusual: a map never changes; `seen`, `walked` and `blocked` return the next one, so that a state of the
episode may hold it. Source: maps of depth and odometry as in Gupta et al. 2017 and Chaplot et al. 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from envs.house.rendering import Camera
from envs.house.simulator import Stance

CELL_M = 0.15
"""Metres along a side of what is remembered as one."""
SIDE = 64
"""Pixels a side of the picture."""
_MIDDLE_M, _REACH_M = 0.12, 12.0
"""Metres that a pixel in the middle is wide, and from the middle to the edge: near the body the picture shows
what stops a step, far from it which way is open.
"""
_DOT_M = 0.05
"""How far from one another the dots are that a way is drawn with."""
_SAMPLES = 3
"""Points a pixel is the mean of, along each side."""
_HALF = 200
"""Cells from the start to the edge of what is remembered, 30 metres."""
_RAYS = 64
"""Of a larger picture so many pixels a side are measured, so that the map does not depend on its size."""
_FLOOR_M = 0.08
"""What is measured up to this height is floor."""
_TOUCH_M = 0.05
"""How far beyond the body that is which stopped it."""
UNKNOWN, FREE, SOLID = 0, 1, 2
"""What a cell can be."""
_WALKED = 3
_COLOURS = np.array([(128, 128, 128), (255, 255, 255), (0, 0, 0), (255, 176, 64)], np.uint8)
_GOAL, _REMEMBERED, _WAY = (32, 96, 255), (16, 32, 128), (0, 176, 80)
_GOAL_PIXELS = 1.5
"""Radius of the discs of goals."""


def _bend() -> float:
    """How much the scale shrinks: where the edge is `_REACH_M` away."""
    low, high = 1e-6, 20.0
    for _ in range(60):
        bend = (low + high) / 2
        low, high = (
            (bend, high) if math.sinh(bend) / bend < _REACH_M / (_MIDDLE_M * SIDE / 2) else (low, bend)
        )
    return low


_BEND = _bend()


def metres(pixels: np.ndarray) -> np.ndarray:
    """Return how far from the middle of the picture pixels are, counted from there along a side.

    >>> metres(np.array([1, 8, 32])).round(2).tolist()
    [0.12, 1.05, 12.0]
    """
    return _MIDDLE_M * SIDE / 2 / _BEND * np.sinh(_BEND * pixels / (SIDE / 2))


def _pixels(metres: np.ndarray | float) -> np.ndarray:
    """The inverse of `metres`."""
    return SIDE / 2 / _BEND * np.arcsinh(np.asarray(metres) * _BEND / (_MIDDLE_M * SIDE / 2))


@dataclass(frozen=True, eq=False)
class EgoMap:
    """What is known of the floor around the start."""

    origin: np.ndarray  # (2,)
    radius: float
    """The body's, metres."""
    height: float
    """The body's: what hangs higher is not in its way."""
    cells: np.ndarray  # uint8 (2 half, 2 half): unknown, free, solid; [column along x, row along y]
    trail: np.ndarray  # bool, same shape
    found: np.ndarray  # bool, same shape: where something was seen that is looked for

    @classmethod
    def at(cls, stance: Stance, radius: float, height: float) -> EgoMap:
        """An empty map of a body that has not looked yet."""
        shape = (2 * _HALF, 2 * _HALF)
        nothing, nowhere = np.zeros(shape, np.uint8), np.zeros(shape, bool)
        return cls(stance.point, radius, height, nothing, nowhere, nowhere).walked(stance)

    def seen(
        self, depth: np.ndarray, stance: Stance, camera: Camera, wanted: np.ndarray | None = None
    ) -> EgoMap:
        """Add a square depth picture, float32 (H, H), metres along the optical axis; what is beyond the
        camera's reach tells nothing. `wanted`, bool (H, H), is True for what is looked for.
        """
        found = self.found
        if wanted is not None and wanted.any():
            points, _ = self._points(depth, stance, camera, np.arange(camera.height))
            found = found.copy()
            found[self.places(points[wanted & (depth < camera.far)])] = True
        count = min(_RAYS, camera.height)
        rays = ((np.arange(count) + 0.5) * camera.height / count).astype(int)
        points, above = self._points(depth, stance, camera, rays)
        thinned = depth[np.ix_(rays, rays)]
        measured = (thinned > camera.near) & (thinned < camera.far)
        cells, solid = self.cells.copy(), measured & (above > _FLOOR_M) & (above < self.height)
        floor = self.places(points[measured & (above <= _FLOOR_M)])
        cells[floor] = np.maximum(cells[floor], FREE)
        cells[self.places(points[solid])] = SOLID
        return replace(self, cells=cells, found=found)

    def _points(
        self, depth: np.ndarray, stance: Stance, camera: Camera, chosen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where on the floor (n, n, 2) and how high above it (n, n) the pixels of n chosen rows and columns
        of a square picture are.
        """
        depth = np.where(depth < camera.far, depth, 0)[np.ix_(chosen, chosen)]
        scale = math.tan(math.radians(camera.vertical_fov) / 2) / (camera.height / 2)
        rows = ((camera.height - 1) / 2 - chosen) * scale  # upwards
        columns = (chosen - (camera.width - 1) / 2) * scale  # to the right
        ahead = depth * (math.cos(stance.pitch) - rows * math.sin(stance.pitch))[:, None]  # n n
        above = stance.eye + depth * (math.sin(stance.pitch) + rows * math.cos(stance.pitch))[:, None]
        forward = stance.forward
        across = np.array([forward[1], -forward[0]])
        points = stance.point + ahead[..., None] * forward + (depth * columns)[..., None] * across
        return points, above

    def walked(self, stance: Stance) -> EgoMap:
        """Add where the body stands: nothing solid is there."""
        cells, trail = self.cells.copy(), self.trail.copy()
        here = self.places(stance.point[None])
        cells[here], trail[here] = FREE, True
        return replace(self, cells=cells, trail=trail)

    def blocked(self, stance: Stance) -> EgoMap:
        """Add that something stopped the body right before it."""
        cells = self.cells.copy()
        ahead = stance.point + stance.forward * (self.radius + _TOUCH_M + CELL_M / 2)
        cells[self.places(ahead[None])] = SOLID
        return replace(self, cells=cells)

    def picture(
        self,
        stance: Stance,
        goal: tuple[float, float] | None = None,
        in_sight: bool = False,
        way: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw the map around a stance, uint8 (64, 64, 3), at the scale of `metres`: grey is
        unknown, white free, black solid, orange the way walked, blue the goal, held at the edge where it is
        farther; what was found is dark blue while none of it is in sight.

        `goal` is how far away it is, metres, and where, radians to the left. `way` are points (N, 2) to go
        to, drawn as a green line.
        """
        forward = stance.forward
        across = np.array([forward[1], -forward[0]])
        away = metres((np.arange(SIDE * _SAMPLES) + 0.5) / _SAMPLES - SIDE / 2)
        points = stance.point - away[:, None, None] * forward + away[None, :, None] * across
        places = self.places(points.reshape(-1, 2))
        colours = _COLOURS[
            np.where(self.trail[places] & (self.cells[places] == FREE), _WALKED, self.cells[places])
        ]
        blocks = colours.reshape(SIDE, _SAMPLES, SIDE, _SAMPLES, 3)
        picture = np.rint(blocks.mean((1, 3), dtype=np.float32)).astype(np.uint8)
        if way is not None:
            _line(picture, -(way - stance.point) @ forward, (way - stance.point) @ across)
        for away in self.centre(np.argwhere(self.found)) - stance.point:
            _disc(picture, -away @ forward, away @ across, _GOAL if in_sight else _REMEMBERED)
        if goal is not None:
            far, left = min(goal[0], 1e6), goal[1]
            _disc(picture, -far * math.cos(left), -far * math.sin(left), _GOAL)
        return picture

    def centre(self, cells: np.ndarray) -> np.ndarray:
        """Return the middles (..., 2) of cells (..., 2), metres."""
        return (cells + 0.5 - _HALF) * CELL_M + self.origin

    def cell(self, points: np.ndarray) -> np.ndarray:
        """Return where points (..., 2) are, in cells (..., 2); whole numbers are middles."""
        return (points - self.origin) / CELL_M + _HALF - 0.5

    def places(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells of points (N, 2) as columns (N,) and rows (N,); what is outside falls on the
        edge.
        """
        found = np.floor((points - self.origin) / CELL_M).astype(np.int64) + _HALF
        found = np.clip(found, 0, 2 * _HALF - 1)
        return found[:, 0], found[:, 1]


def _line(picture: np.ndarray, down: np.ndarray, right: np.ndarray) -> None:
    """Draw a line through points so many metres from the middle, (N,) each; what is outside is left out."""
    gone = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(down), np.diff(right)))])
    dots = np.arange(0, gone[-1] + _DOT_M, _DOT_M)
    row, column = (
        np.floor(_pixels(np.interp(dots, gone, each)) + SIDE / 2).astype(int) for each in (down, right)
    )
    inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
    picture[row[inside], column[inside]] = _WAY


def _disc(picture: np.ndarray, down: float, right: float, colour: tuple[int, int, int]) -> None:
    """Draw a disc so many metres from the middle, or at the edge in that direction."""
    inside = min(1.0, _REACH_M / max(abs(down), abs(right), 1e-9))
    middle = (SIDE - 1) / 2
    row, column = np.ogrid[:SIDE, :SIDE]
    down, right = (
        middle + np.clip(_pixels(each * inside), _GOAL_PIXELS - middle, middle - _GOAL_PIXELS)
        for each in (down, right)
    )
    picture[(row - down) ** 2 + (column - right) ** 2 <= _GOAL_PIXELS**2] = colour
