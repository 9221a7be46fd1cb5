"""A grid of the places where a body can stand, and shortest ways over it.

Places are cells of 5 cm whose centre is on a floor and keeps the body's radius from everything. Ways run over
the grid with eight neighbours and are then pulled straight, so that their length is that of a string around
the corners.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import label
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from envs.house.errors import HouseError

Point = tuple[float, float]
CELL = 0.05
_MOST_CELLS = 4_000_000
_NEIGHBOURS = ((1, 0), (0, 1), (1, 1), (1, -1))


@dataclass(frozen=True)
class Field:
    """Distances to the nearest of some goals, along the grid, and the way there."""

    distances: np.ndarray  # (cells,) metres, inf where there is no way
    next: np.ndarray  # (cells,) the cell to go to; negative at a goal and where there is no way
    corners: dict[int, np.ndarray] = field(default_factory=dict)
    """The ways that were asked for, pulled straight: (N, 2) by first cell."""


class NavigationGrid:
    """The free places of a scene for one body.

    Args:
        free: bool (nx, ny), which cells are free.
        origin: centre of cell (0, 0).
        cell: side of a cell, metres.
    """

    def __init__(self, free: np.ndarray, origin: Point, cell: float = CELL) -> None:
        if free.size > _MOST_CELLS:
            raise HouseError(
                f"a floor of {free.shape[0] * cell:.0f} m by {free.shape[1] * cell:.0f} m is too large"
            )
        self.free, self.origin, self.cell = free, np.array(origin, float), cell
        self._number = np.full(free.shape, -1, int)
        self._number[free] = np.arange(np.count_nonzero(free))
        self._cells = np.argwhere(free)  # (cells, 2)
        self._fields: dict[tuple[bytes, bytes], Field] = {}

    # places

    @property
    def points(self) -> np.ndarray:
        """The centres of all free cells, (cells, 2)."""
        return self.origin + self._cells * self.cell

    @functools.cached_property
    def components(self) -> np.ndarray:
        """For each free cell the number of the part of the floor it belongs to, the largest 0; (cells,)."""
        parts, _ = label(self.free, structure=np.ones((3, 3)))
        numbers = parts[self.free] - 1
        order = np.argsort(-np.bincount(numbers), kind="stable") if len(numbers) else np.zeros(0, int)
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        return rank[numbers]

    def index(self, point: Sequence[float]) -> int | None:
        """Return the number of the free cell that holds a point, None where there is none."""
        i, j = np.round((np.asarray(point[:2], float) - self.origin) / self.cell).astype(int)
        inside = 0 <= i < self.free.shape[0] and 0 <= j < self.free.shape[1]
        return int(self._number[i, j]) if inside and self.free[i, j] else None

    def snap(self, point: Sequence[float], reach: float = math.inf) -> int | None:
        """Return the free cell nearest to a point, None where none lies within `reach` metres."""
        found = self.index(point)
        if found is not None or not len(self._cells):
            return found
        away = np.linalg.norm(self.points - np.asarray(point[:2], float), axis=1)
        nearest = int(away.argmin())
        return nearest if away[nearest] <= reach else None

    # ways

    @functools.cached_property
    def _graph(self) -> csr_array:
        rows, columns, lengths = [], [], []
        for dx, dy in _NEIGHBOURS:
            here = self._number[: -dx or None, max(-dy, 0) : -dy if dy > 0 else None]
            there = self._number[dx:, max(dy, 0) : dy if dy < 0 else None]
            both = (here >= 0) & (there >= 0)
            if dx and dy:  # a diagonal needs both cells beside it
                beside = self._number[dx:, max(-dy, 0) : -dy if dy > 0 else None]
                above = self._number[: -dx or None, max(dy, 0) : dy if dy < 0 else None]
                both &= (beside >= 0) & (above >= 0)
            rows.append(here[both])
            columns.append(there[both])
            lengths.append(np.full(np.count_nonzero(both), math.hypot(dx, dy) * self.cell))
        size = len(self._cells)
        entries = (np.concatenate(lengths), (np.concatenate(rows), np.concatenate(columns)))
        return csr_array(entries, shape=(size, size))

    def field(self, goals: Sequence[int], further: Sequence[float] | None = None) -> Field:
        """Return the distances of all cells to the nearest of some cells, kept for the last few goals.

        Args:
            goals: the cells.
            further: metres of way still to go from each of them; they count.
        """
        cells, first = np.unique(np.asarray(goals, int), return_index=True)
        lengths = None if further is None else np.asarray(further, float)[first]
        key = cells.tobytes(), b"" if lengths is None else lengths.tobytes()
        if key not in self._fields:
            if len(self._fields) >= 8:
                self._fields.pop(next(iter(self._fields)))
            self._fields[key] = self._searched(cells, lengths)
        return self._fields[key]

    def _searched(self, goals: np.ndarray, further: np.ndarray | None) -> Field:
        size = len(self._cells)
        if not len(goals):
            return Field(np.full(size, np.inf), np.full(size, -1))
        if further is None:
            distances, before, _ = dijkstra(
                self._graph, directed=False, indices=goals, min_only=True, return_predecessors=True
            )
            return Field(distances, before)
        edges = self._graph.tocoo()  # one more node, which is `further` away from each goal
        rows = np.concatenate([edges.row, np.full(len(goals), size)])
        columns = np.concatenate([edges.col, goals])
        lengths = np.concatenate([edges.data, np.maximum(further, 1e-9)])
        graph = csr_array((lengths, (rows, columns)), shape=(size + 1, size + 1))
        distances, before = dijkstra(graph, directed=False, indices=size, return_predecessors=True)
        return Field(distances[:size], np.where(before[:size] == size, -1, before[:size]))

    def path(
        self,
        start: Sequence[float],
        goals: Sequence[int],
        reach: float = 0.3,
        further: Sequence[float] | None = None,
    ) -> np.ndarray | None:
        """Return the shortest way from a point to the nearest of some cells: corners (N, 2), the start first.

        None where there is no way, or no free cell within `reach` of the start. A start between cells begins
        at its own point. `further` as `field` takes it; what comes after the cell is not part of the way.
        """
        cell = self.snap(start, reach)
        if cell is None:
            return None
        ways = self.field(goals, further)
        if not np.isfinite(ways.distances[cell]):
            return None
        if cell not in ways.corners:
            cells = [cell]
            while ways.next[cells[-1]] >= 0:
                cells.append(int(ways.next[cells[-1]]))
            ways.corners[cell] = self.origin + self._pulled(self._cells[cells]) * self.cell
        points = ways.corners[cell].copy()
        points[0] = start[:2]
        return points

    def geodesic(self, start: Sequence[float], goals: Sequence[int]) -> float:
        """Return the length of the shortest way in metres, inf where there is none."""
        path = self.path(start, goals)
        return math.inf if path is None else length(path)

    def clear(self, first: Sequence[int], second: Sequence[int]) -> bool:
        """Return whether the straight line between two cells (i, j) runs over free cells only."""
        (a, b), (c, d) = first, second
        count = 2 * max(abs(c - a), abs(d - b)) + 1
        i = np.linspace(a, c, count)
        j = np.linspace(b, d, count)
        low = np.floor(i + 0.5 - 1e-9).astype(int), np.floor(j + 0.5 - 1e-9).astype(int)
        high = np.floor(i + 0.5 + 1e-9).astype(int), np.floor(j + 0.5 + 1e-9).astype(int)
        return bool(self.free[low].all() and self.free[high].all())

    def _pulled(self, cells: np.ndarray) -> np.ndarray:
        """Pull a way of cells straight: keep only the corners it must turn at."""
        kept, at = [0], 0
        while at < len(cells) - 1:
            step = 1  # the furthest cell in sight, found by doubling and halving
            while at + step < len(cells) - 1 and self.clear(
                cells[at], cells[min(at + 2 * step, len(cells) - 1)]
            ):
                step = min(2 * step, len(cells) - 1 - at)
            low, high = step, min(2 * step, len(cells) - 1 - at)
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self.clear(cells[at], cells[at + middle]) else (low, middle - 1)
            at += low
            kept.append(at)
        return cells[kept].astype(float)


def length(path: np.ndarray) -> float:
    """Return the length of a polyline (N, 2)."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
