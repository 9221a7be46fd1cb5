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
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from envs.house.errors import HouseError

Point = tuple[float, float]
CELL = 0.05
_MOST_CELLS = 4_000_000
_NEIGHBOURS = ((1, 0), (0, 1), (1, 1), (1, -1))
_ALL = np.logical_and.reduce


@dataclass(frozen=True)
class Field:
    """Distances to the nearest of some goals, along the grid, and the way there."""

    distances: np.ndarray  # (cells,) metres, inf where there is no way
    next: np.ndarray  # (cells,) the cell to go to; negative at a goal and where there is no way
    corners: dict[int, np.ndarray] = field(default_factory=dict)
    """The ways that were asked for, pulled straight: (N, 2) by first cell."""


class NavigationGrid:
    """The free places of a scene for one body.

    Arguments:
        free: bool (nx, ny), which cells are free.
        origin: centre of cell (0, 0).
        cell: side of a cell, metres.
        safe, blocked: bool (nx, ny), of which cells it is certain that a body may, or may not, be anywhere in
            them as far as obstacles go; None: of none.
    """

    def __init__(
        self,
        free: np.ndarray,
        origin: Point,
        cell: float = CELL,
        safe: np.ndarray | None = None,
        blocked: np.ndarray | None = None,
    ) -> None:
        if free.size > _MOST_CELLS:
            raise HouseError(
                f"a floor of {free.shape[0] * cell:.0f} m by {free.shape[1] * cell:.0f} m is too large"
            )
        self.free, self.origin, self.cell = free, np.array(origin, float), cell
        self._number = np.full(free.shape, -1, int)
        self._number[free] = np.arange(np.count_nonzero(free))
        self._cells = np.argwhere(free)  # (cells, 2)
        self._fields: dict[tuple[bytes, bytes], Field] = {}
        self._asked: tuple[float, float, bytes] | None = None
        self._length = math.inf
        self._wide = free.shape[1]
        self._free = np.ascontiguousarray(free).ravel()
        none = np.zeros(free.shape, bool)
        self._safe, self._blocked = none if safe is None else safe, none if blocked is None else blocked

    # places

    @functools.cached_property
    def points(self) -> np.ndarray:
        """The centres of all free cells, (cells, 2); not to be written to."""
        points = self.origin + self._cells * self.cell
        points.flags.writeable = False
        return points

    @functools.cached_property
    def components(self) -> np.ndarray:
        """For each free cell the number of the part of the floor it belongs to, the largest 0; (cells,)."""
        from scipy.ndimage import label  # here, for it loads slower than all else of a house

        parts, _ = label(self.free, structure=np.ones((3, 3)))
        numbers = parts[self.free] - 1
        order = np.argsort(-np.bincount(numbers), kind="stable") if len(numbers) else np.zeros(0, int)
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        return rank[numbers]

    def index(self, point: Sequence[float]) -> int | None:
        """Return the number of the free cell that holds a point, None where there is none."""
        (x, y), cell = self.origin, self.cell
        i, j = round((float(point[0]) - float(x)) / cell), round((float(point[1]) - float(y)) / cell)
        inside = 0 <= i < self.free.shape[0] and 0 <= j < self.free.shape[1]
        number = self._number.item(i, j) if inside else -1
        return number if number >= 0 else None

    def indices(self, points: np.ndarray) -> np.ndarray:
        """Return the same for points (N, 2): numbers (N,), -1 where there is none."""
        cells = np.round((points - self.origin) / self.cell).astype(int)
        inside = ((cells >= 0) & (cells < self.free.shape)).all(1)
        numbers = np.full(len(cells), -1)
        numbers[inside] = self._number[cells[inside, 0], cells[inside, 1]]
        return numbers

    def snap(self, point: Sequence[float], reach: float = math.inf) -> int | None:
        """Return the free cell nearest to a point, None where none lies within `reach` metres."""
        found = self.index(point)
        if found is not None or not len(self._cells):
            return found
        near = self._within(point, reach)
        if not len(near):
            return None
        away = np.linalg.norm(self.points[near] - np.asarray(point[:2], float), axis=1)
        nearest = int(away.argmin())
        return int(near[nearest]) if away[nearest] <= reach else None

    def snaps(self, points: np.ndarray, reach: float) -> np.ndarray:
        """Return the same for points (N, 2): numbers (N,), -1 where there is none."""
        found = self.indices(points)
        for place in np.flatnonzero(found < 0):
            nearest = self.snap(points[place], reach)
            found[place] = -1 if nearest is None else nearest
        return found

    def _within(self, point: Sequence[float], reach: float) -> np.ndarray:
        """Return the free cells, in their order, in a square around a point that holds all within reach."""
        if not math.isfinite(reach):
            return np.arange(len(self._cells))
        middle = (np.asarray(point[:2], float) - self.origin) / self.cell
        around = reach / self.cell + 1
        (i0, j0), (i1, j1) = (
            np.clip(middle + way, 0, self.free.shape).astype(int) for way in (-around, around)
        )
        found = self._number[i0 : i1 + 1, j0 : j1 + 1].ravel()
        return found[found >= 0]

    # ways

    def ways(self, moves: np.ndarray) -> "CertainWays":
        """Return what is known of straight ways of these lengths (N, 2) from anywhere."""
        return CertainWays(self.origin, self.cell, self._safe, self._blocked, moves)

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

        Arguments:
            goals: the cells.
            further: metres of way still to go from each of them; they count.
        """
        cells = np.asarray(goals, int)
        lengths = None if further is None else np.asarray(further, float)
        key = cells.tobytes(), b"" if lengths is None else lengths.tobytes()
        if key not in self._fields:
            if len(self._fields) >= 8:
                self._fields.pop(next(iter(self._fields)))
            cells, first = np.unique(cells, return_index=True)
            self._fields[key] = self._searched(cells, None if lengths is None else lengths[first])
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
            cells, after = [cell], ways.next.item
            while (cell_after := after(cells[-1])) >= 0:
                cells.append(cell_after)
            ways.corners[cell] = self.origin + self._pulled(self._cells[cells]) * self.cell
        points = ways.corners[cell].copy()
        points[0] = start[:2]
        return points

    def geodesic(self, start: Sequence[float], goals: Sequence[int]) -> float:
        """Return the length of the shortest way in metres, inf where there is none.

        The last answer is kept: a body that turns on the spot asks again.
        """
        asked = float(start[0]), float(start[1]), np.asarray(goals, int).tobytes()
        if asked != self._asked:
            path = self.path(start, goals)
            self._asked, self._length = asked, math.inf if path is None else length(path)
        return self._length

    def _pulled(self, cells: np.ndarray) -> np.ndarray:
        """Pull a way of cells straight: keep only the corners it must turn at."""
        places, wide, free = cells.tolist(), self._wide, self._free

        def clear(first: int, second: int) -> bool:
            """Whether the straight line between two of them runs over free cells only."""
            (a, b), (c, d) = places[first], places[second]
            return _ALL(free.take(_line(c - a, d - b, wide) + (a * wide + b)))

        kept, at, last = [0], 0, len(places) - 1
        while at < last:
            step = 1  # the furthest cell in sight, found by doubling and halving
            while at + step < last and clear(at, min(at + 2 * step, last)):
                step = min(2 * step, last - at)
            low, high = step, min(2 * step, last - at)
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if clear(at, at + middle) else (low, middle - 1)
            at += low
            kept.append(at)
        return cells[kept].astype(float)


class CertainWays:
    """Straight ways of fixed lengths and directions, as far as cells tell whether a body can go there."""

    def __init__(
        self, origin: np.ndarray, cell: float, safe: np.ndarray, blocked: np.ndarray, moves: np.ndarray
    ) -> None:
        longest = float(np.hypot(*moves.T).max(initial=0))
        parts = 2 * math.ceil(longest / cell) + 1
        shares = np.linspace(0, 1, parts)[:, None]
        self._offsets = shares * moves[:, None] / cell  # (N, parts, 2) cells, at most half a cell apart
        self._origin, self._cell, self._margin = origin, cell, math.ceil(longest / cell) + 2
        self._known = np.pad(np.where(safe, 1, np.where(blocked, 2, 0)).astype(np.uint8), self._margin)

    def __call__(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return of each way from a point on the grid whether a body certainly passes, and whether it
        certainly does not; bool (N,) each. Where neither holds, the obstacles know.
        """
        cells = np.rint((start - self._origin) / self._cell + self._offsets).astype(int) + self._margin
        known = self._known[cells[..., 0], cells[..., 1]]
        return (known == 1).all(1), (known == 2).any(1) & (known[:, 0] == 1)


@functools.lru_cache(maxsize=20_000)
def _line(along: int, across: int, wide: int) -> np.ndarray:
    """Return what to add to a cell's place in a grid of `wide` columns to get those on the straight line to a
    cell so many rows and columns away. Where the line runs between two cells, it touches both.
    """
    halves = 2 * max(abs(along), abs(across)) or 1
    # the cell of a coordinate x is floor(x + 1/2), in whole numbers; and of one on a border, both
    places = np.multiply.outer((along, across), 2 * np.arange(halves + 1)) + halves
    (low_i, low_j), (high_i, high_j) = np.stack([places - 1, places]) // (2 * halves)
    low, high = low_i * wide + low_j, high_i * wide + high_j
    return np.concatenate([low, high[high != low]])


def length(path: np.ndarray) -> float:
    """Return the length of a polyline (N, 2)."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
