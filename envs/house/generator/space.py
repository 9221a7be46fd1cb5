"""What is still free on the floor, on a raster of 5 cm that all walls lie on.

A piece is placed only if everybody still gets everywhere afterwards: all doors and rooms stay joined for a
body of 25 cm, and each room keeps room to walk.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.generator.floorplan import FloorPlan

STEP = 0.05
_BODY = 0.25
"""Radius that has to get everywhere; larger than any body's, so that finer grids agree."""
_LEAST_WALK = 0.18
"""Share of a room that must stay within reach."""
_POCKETS = 0.2
"""How much floor may be cut off, as a share of what is within reach."""


@dataclass(frozen=True)
class Rectangle:
    """A rectangle on the floor, metres."""

    x0: float
    z0: float
    x1: float
    z1: float

    @staticmethod
    def about(x: float, z: float, wide: float, deep: float) -> "Rectangle":
        return Rectangle(x - wide / 2, z - deep / 2, x + wide / 2, z + deep / 2)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The cells it touches."""
        low = (int(np.floor(self.x0 / STEP + 1e-6)), int(np.floor(self.z0 / STEP + 1e-6)))
        high = (int(np.ceil(self.x1 / STEP - 1e-6)), int(np.ceil(self.z1 / STEP - 1e-6)))
        return slice(max(low[0], 0), high[0]), slice(max(low[1], 0), high[1])


class Space:
    """The floor of a house while it is furnished.

    Arguments:
        plan: the rooms.
        per_cell: raster cells along a side of one of the plan's cells.
    """

    def __init__(self, plan: FloorPlan, per_cell: int) -> None:
        self.room = np.kron(plan.cells, np.ones((per_cell, per_cell), int))  # (x, z)
        self.taken = np.zeros(self.room.shape, bool)
        """Where a piece stands."""
        self.kept = np.zeros(self.room.shape, bool)
        """Where none may stand: before doors, where leaves swing."""
        self.low = np.full(self.room.shape, np.inf)
        """How high a piece may be: below windows."""
        self.wall = self._walls()
        self.count = len(plan.types)
        coarse = self.room[:-1:2, :-1:2]
        self._rooms, self._inside = coarse, coarse >= 0
        self._least = np.maximum(_LEAST_WALK * np.bincount(coarse[self._inside], minlength=self.count), 12)

    def _walls(self) -> np.ndarray:
        """The cells beside a wall, or beside its end: bodies cannot walk there."""
        padded = np.pad(self.room, 1, constant_values=-1)
        wide, deep = self.room.shape
        wall = np.zeros(self.room.shape, bool)
        for dx, dz in itertools.product((0, 1, 2), repeat=2):
            wall |= padded[dx : dx + wide, dz : dz + deep] != self.room
        return wall

    def open(self, hole: Rectangle) -> None:
        """Let bodies through the walls inside a rectangle."""
        self.wall[hole.slices] = False

    def keep(self, zone: Rectangle) -> None:
        self.kept[zone.slices] = True

    def block(self, zone: Rectangle) -> None:
        """Take a rectangle for what is no piece, such as the leaf of an open door."""
        self.taken[zone.slices] = True

    def limit(self, zone: Rectangle, height: float) -> None:
        place = zone.slices
        self.low[place] = np.minimum(self.low[place], height)

    def fits(self, zone: Rectangle, room: int, height: float, *, may_be_kept: bool = False) -> bool:
        """Whether a rectangle lies in a room, on nothing, and not before a door or a window."""
        if min(zone.x0, zone.z0) < -1e-6:
            return False
        place = zone.slices
        if place[0].stop > self.room.shape[0] or place[1].stop > self.room.shape[1]:
            return False
        if (
            not (self.room[place] == room).all()
            or self.taken[place].any()
            or (self.low[place] < height).any()
        ):
            return False
        return may_be_kept or not self.kept[place].any()

    def place(self, zones: Sequence[Rectangle]) -> bool:
        """Take rectangles if everybody still gets everywhere; False, and nothing is taken, otherwise."""
        before = self.taken.copy()
        for zone in zones:
            self.taken[zone.slices] = True
        if self.passable():
            return True
        self.taken = before
        return False

    def walkable(self) -> np.ndarray:
        """Where the middle of a body can be, at 10 cm; bool (x, z)."""
        closed = self.taken | self.wall | (self.room < 0)
        wide, deep = (size - size % 2 for size in closed.shape)
        coarse = closed[:wide, :deep].reshape(wide // 2, 2, deep // 2, 2).any(axis=(1, 3))
        return ~_widened(coarse)

    def passable(self) -> bool:
        """Whether one piece of walkable floor reaches far into every room, and all others are pockets."""
        walkable = self.walkable()
        from scipy.ndimage import label  # here, for it loads slower than all else of a house

        parts, count = label(walkable)
        if count == 0:
            return False
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        if np.sort(sizes)[:-1].sum() > _POCKETS * sizes.max():
            return False
        main = parts == sizes.argmax()
        reached = np.bincount(self._rooms[main & self._inside], minlength=self.count)
        return bool((reached >= self._least).all())


def _widened(closed: np.ndarray) -> np.ndarray:
    """Return which cells of 10 cm are up to two away, along and across, from a closed one or the outside:
    the middles of all others are at least `_BODY` from whatever is in a closed one.
    """
    for axis in (0, 1):
        wide = np.pad(closed, [(2, 2) if each == axis else (0, 0) for each in (0, 1)], constant_values=True)
        size = closed.shape[axis]
        closed = np.logical_or.reduce([wide.take(range(k, k + size), axis) for k in range(5)])
    return closed
