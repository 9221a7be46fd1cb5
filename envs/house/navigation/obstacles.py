"""What stops a body on the floor: rectangles seen from above, and exact answers about discs among them.

A body is an upright cylinder. Whatever solid lies in its height stands in its way with its rectangle.
Points are (x, y) in the scene's frame, metres.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.scene import Scene, Thing

_CLOSE = 1e-6
_TILE = 1.0
"""Metres of floor whose ways are looked at together."""
_CORNERS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])[:, None]  # (4, 1, 2)


@dataclass(frozen=True)
class Footprint:
    """The cylinder that a body fills, and what it steps over."""

    radius: float = 0.2
    height: float = 1.8
    step: float = 0.04
    """What is not higher lies under its feet: rugs, sheets of paper."""


class Obstacles:
    """The rectangles that stand in a body's way. Those of movable things can be moved or taken out."""

    def __init__(self, scene: Scene, body: Footprint) -> None:
        self.body = body
        rows, owners = [], []
        for index, thing in enumerate(scene.things):
            for row in _rectangles(thing):
                rows.append(row)
                owners.append(index)
        table = np.array(rows, float).reshape(-1, 7)  # x, y, half x, half y, yaw, bottom, top
        self._owner = np.array(owners, int)
        self._centre, self._half = table[:, :2].copy(), table[:, 2:4].copy()
        self._axes = _axes(table[:, 4])  # (K, 2, 2), columns are the rectangle's x and y
        self._active = (table[:, 5] < body.height) & (table[:, 6] > body.step)
        self._versions = 0
        self.remember()

    def remember(self) -> None:
        """Take how everything stands now for what `restore` leads back to."""
        self._initial = tuple(each.copy() for each in (self._centre, self._half, self._axes, self._active))
        self.version = 0
        """Changes with the rectangles, so that what was computed from them knows that it is old."""

    def restore(self) -> None:
        """Put everything back."""
        for now, before in zip(
            (self._centre, self._half, self._axes, self._active), self._initial, strict=True
        ):
            now[:] = before
        self.version = 0

    def _changed(self) -> None:
        self._versions += 1
        self.version = self._versions

    def move(self, index: int, thing: Thing) -> None:
        """Tell where a movable thing, by its place in the scene, is now."""
        rows = np.flatnonzero(self._owner == index)
        for row, (x, y, half_x, half_y, yaw, bottom, top) in zip(rows, _rectangles(thing), strict=True):
            self._centre[row], self._half[row] = (x, y), (half_x, half_y)
            self._axes[row] = _axes(np.array([yaw]))[0]
            self._active[row] = bottom < self.body.height and top > self.body.step
        self._changed()

    def remove(self, index: int) -> None:
        """Take a thing out of the way."""
        rows = self._owner == index
        if self._active[rows].any():
            self._active[rows] = False
            self._changed()

    def clearance(self, points: np.ndarray) -> np.ndarray:
        """Return for points (N, 2) the distance to the nearest rectangle, 0 inside one, inf without any."""
        return self.segment_clearance(points, points)

    def segment_clearance(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return for segments (N, 2) to (N, 2) the distance to the nearest rectangle; (N,)."""
        return self._distances(starts, ends, np.flatnonzero(self._active)).min(1, initial=np.inf)

    def touched(self, point: np.ndarray) -> int | None:
        """Return the place in the scene of what a body at a point would touch, None where it stands free."""
        rows = np.flatnonzero(self._active)
        away = self._distances(point[None], point[None], rows)[0]
        if not len(rows) or away.min() >= self.body.radius - _CLOSE:
            return None
        return int(self._owner[rows[away.argmin()]])

    def blocks(self, start: np.ndarray, end: np.ndarray) -> int | None:
        """Return the place in the scene of what stops a body on its straight way, None if nothing does.

        A body that stands too near something already may move away from it.
        """
        rows, limit = self._near(start, float(np.linalg.norm(end - start)))
        if not len(rows):
            return None
        moving = self._distances(start[None], end[None], rows)[0]
        hits = np.flatnonzero(moving < limit)
        return int(self._owner[rows[hits[np.argmin(moving[hits])]]]) if len(hits) else None

    def free(self, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return for straight ways from one point to many (N, 2) whether nothing stops a body; bool (N,)."""
        ends = np.asarray(ends, float)
        rows, limit = self._near(start, float(np.linalg.norm(ends - start, axis=1).max()))
        return (self._distances(start[None], ends, rows) >= limit).all(1)

    def all_free(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return for many straight ways (N, 2) to (N, 2) whether nothing stops a body; bool (N,)."""
        found = np.ones(len(starts), bool)
        if not len(starts):
            return found
        far = float(np.linalg.norm(ends - starts, axis=1).max())
        tiles, tile_of = np.unique(np.floor(starts / _TILE).astype(int), axis=0, return_inverse=True)
        for number, tile in enumerate(tiles):
            here = np.flatnonzero(tile_of == number)
            rows, _ = self._near((tile + 0.5) * _TILE, _TILE * 0.71 + far)
            limits = np.minimum(self.body.radius, self._distances(starts[here], starts[here], rows)) - _CLOSE
            found[here] = (self._distances(starts[here], ends[here], rows) >= limits).all(1)
        return found

    def _near(self, start: np.ndarray, far: float) -> tuple[np.ndarray, np.ndarray]:
        """The rectangles that a way of at most `far` can come too near to, and how near each may come."""
        rows = np.flatnonzero(self._active)
        now = _to_box(*self._local(start[None], rows), self._half[rows])[0]
        near = now < self.body.radius + far
        return rows[near], np.minimum(self.body.radius, now[near]) - _CLOSE

    def marks(self, xs: np.ndarray, ys: np.ndarray, radii: Sequence[float]) -> np.ndarray:
        """Return for a grid of points whether discs there touch a rectangle; bool (radii, xs, ys)."""
        touched = np.zeros((len(radii), len(xs), len(ys)), bool)
        cell = xs[1] - xs[0] if len(xs) > 1 else 1.0
        limits = (np.array(radii) - _CLOSE)[:, None, None] ** 2
        for row in np.flatnonzero(self._active):
            reach = np.abs(self._axes[row]) @ self._half[row] + max(radii)  # (2,) around its centre
            low, high = self._centre[row] - reach, self._centre[row] + reach
            i0, i1 = np.searchsorted(xs, (low[0] - cell, high[0] + cell))
            j0, j1 = np.searchsorted(ys, (low[1] - cell, high[1] + cell))
            if i0 == i1 or j0 == j1:
                continue
            dx, dy = xs[i0:i1, None] - self._centre[row, 0], ys[None, j0:j1] - self._centre[row, 1]
            axes, half = self._axes[row], self._half[row]
            u = np.maximum(np.abs(dx * axes[0, 0] + dy * axes[1, 0]) - half[0], 0)
            v = np.maximum(np.abs(dx * axes[0, 1] + dy * axes[1, 1]) - half[1], 0)
            touched[:, i0:i1, j0:j1] |= u * u + v * v < limits
        return touched

    def _local(self, points: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (N, 2) along and across some rectangles, from their middles: two of (N, K)."""
        x, y = (points[:, None, axis] - self._centre[rows, axis] for axis in (0, 1))
        axes = self._axes[rows]
        return x * axes[:, 0, 0] + y * axes[:, 1, 0], x * axes[:, 0, 1] + y * axes[:, 1, 1]

    def _distances(self, starts: np.ndarray, ends: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Distances of segments to some rectangles, (N, K); one start serves all ends too."""
        half = self._half[rows]
        (x, y), (end_x, end_y) = (self._local(np.asarray(p, float), rows) for p in (starts, ends))
        to_ends = np.minimum(_to_box(x, y, half), _to_box(end_x, end_y, half))  # (N, K)
        way_x, way_y = end_x - x, end_y - y
        length = np.maximum(way_x * way_x + way_y * way_y, 1e-18)  # squared
        corner_x, corner_y = (half[:, axis] * _CORNERS[..., axis, None] for axis in (0, 1))  # (4, 1, K)
        share = ((corner_x - x) * way_x + (corner_y - y) * way_y) / length  # (4, N, K)
        share = np.minimum(np.maximum(share, 0), 1)
        away_x, away_y = x + share * way_x - corner_x, y + share * way_y - corner_y
        found = np.minimum(to_ends, np.sqrt(away_x * away_x + away_y * away_y).min(0))
        return np.where(_crosses((x, y), (way_x, way_y), half), 0.0, found)


def _rectangles(thing: Thing) -> Iterable[tuple[float, ...]]:
    """(x, y, half x, half y, yaw, bottom, top) of a thing's solids."""
    if not thing.solid or thing.type == "Floor":
        return
    x, y, half_x, half_y, yaw = thing.floor_box
    if thing.movable and not (thing.pieces and abs(thing.rotation[2, 2]) > 0.999):
        low, high = thing.low_high
        yield x, y, half_x, half_y, yaw, low[2], high[2]
        return
    boxes = thing.pieces if thing.movable else [(part.size, part.position) for part in thing.parts]
    for (wide, deep, tall), place in boxes:
        x, y, z = np.array(thing.position) + thing.rotation @ np.array(place)
        yield x, y, wide / 2, deep / 2, yaw, z - tall / 2, z + tall / 2


def _axes(yaw: np.ndarray) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)  # (K, 2, 2)


def _to_box(x: np.ndarray, y: np.ndarray, half: np.ndarray) -> np.ndarray:
    x, y = np.maximum(np.abs(x) - half[:, 0], 0), np.maximum(np.abs(y) - half[:, 1], 0)
    return np.sqrt(x * x + y * y)


def _crosses(
    start: tuple[np.ndarray, np.ndarray], way: tuple[np.ndarray, np.ndarray], half: np.ndarray
) -> np.ndarray:
    """Whether segments enter boxes about the origin (slab test), (N, K)."""
    enters, leaves = [], []
    for at, along, reach in zip(start, way, half.T, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (-reach - at) / along, (reach - at) / along
        parallel = np.abs(along) < 1e-12
        never = np.where(np.abs(at) < reach, -np.inf, np.inf)
        enters.append(np.where(parallel, never, np.minimum(first, second)))
        leaves.append(np.where(parallel, -never, np.maximum(first, second)))
    enter, leave = np.maximum(*enters), np.minimum(*leaves)
    return (enter < leave) & (leave > 0) & (enter < 1)
