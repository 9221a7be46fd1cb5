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
CELLS = 64
"""Cells a side of the picture: 9.6 metres, the body in the middle."""
_HALF = 200
"""Cells from the start to the edge of what is remembered, 30 metres."""
_RAYS = 64
"""Of a larger picture so many pixels a side are measured, so that the map does not depend on its size."""
_FLOOR_M = 0.08
"""What is measured up to this height is floor."""
_TOUCH_M = 0.05
"""How far beyond the body that is which stopped it."""
_UNKNOWN, _FREE, _SOLID = 0, 1, 2
_COLOURS = np.array([(128, 128, 128), (255, 255, 255), (0, 0, 0)], np.uint8)
_TRAIL, _GOAL, _REMEMBERED = (255, 176, 64), (32, 96, 255), (16, 32, 128)
_GOAL_CELLS = 1.5
"""Radius of the discs of goals."""


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
            found[self._places(points[wanted & (depth < camera.far)])] = True
        count = min(_RAYS, camera.height)
        rays = ((np.arange(count) + 0.5) * camera.height / count).astype(int)
        points, above = self._points(depth, stance, camera, rays)
        thinned = depth[np.ix_(rays, rays)]
        measured = (thinned > camera.near) & (thinned < camera.far)
        cells, solid = self.cells.copy(), measured & (above > _FLOOR_M) & (above < self.height)
        floor = self._places(points[measured & (above <= _FLOOR_M)])
        cells[floor] = np.maximum(cells[floor], _FREE)
        cells[self._places(points[solid])] = _SOLID
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
        here = self._places(stance.point[None])
        cells[here], trail[here] = _FREE, True
        return replace(self, cells=cells, trail=trail)

    def blocked(self, stance: Stance) -> EgoMap:
        """Add that something stopped the body right before it."""
        cells = self.cells.copy()
        ahead = stance.point + stance.forward * (self.radius + _TOUCH_M + CELL_M / 2)
        cells[self._places(ahead[None])] = _SOLID
        return replace(self, cells=cells)

    def picture(
        self,
        stance: Stance,
        goal: tuple[float, float] | None = None,
        in_sight: bool = False,
    ) -> np.ndarray:
        """Draw the map around a stance, uint8 (64, 64, 3), a pixel a cell: grey is unknown, white free,
        black solid, orange the way walked, blue the goal, held at the edge where it is farther; what was
        found is dark blue while none of it is in sight.

        `goal` is how far away it is, metres, and where, radians to the left.
        """
        middle = (CELLS - 1) / 2
        steps = (np.arange(CELLS) - middle) * CELL_M
        forward = stance.forward
        across = np.array([forward[1], -forward[0]])
        points = stance.point - steps[:, None, None] * forward + steps[None, :, None] * across
        places = self._places(points.reshape(-1, 2))
        picture = _COLOURS[self.cells[places]].reshape(CELLS, CELLS, 3)
        picture[(self.trail[places] & (self.cells[places] == _FREE)).reshape(CELLS, CELLS)] = _TRAIL
        aways = (np.argwhere(self.found) + 0.5 - _HALF) * CELL_M + self.origin - stance.point  # N 2
        for away in aways / CELL_M:
            _disc(picture, -away @ forward, away @ across, _GOAL if in_sight else _REMEMBERED)
        if goal is not None:
            far, left = min(goal[0] / CELL_M, 1e6), goal[1]
            _disc(picture, -far * math.cos(left), -far * math.sin(left), _GOAL)
        return picture

    def _places(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells of points (N, 2); what is outside falls on the edge."""
        found = np.floor((points - self.origin) / CELL_M).astype(np.int64) + _HALF
        found = np.clip(found, 0, 2 * _HALF - 1)
        return found[:, 0], found[:, 1]


def _disc(picture: np.ndarray, down: float, right: float, colour: tuple[int, int, int]) -> None:
    """Draw a disc so many cells from the middle, or at the edge in that direction."""
    middle = (CELLS - 1) / 2
    inside = min(1.0, (middle - _GOAL_CELLS) / max(abs(down), abs(right), 1e-9))
    row, column = np.ogrid[:CELLS, :CELLS]
    down, right = middle + down * inside, middle + right * inside
    picture[(row - down) ** 2 + (column - right) ** 2 <= _GOAL_CELLS**2] = colour
