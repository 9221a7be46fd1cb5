"""The way through what the body has mapped, to where it wants to go: what a navigation device shows.

Unknown floor is taken for free until it is seen (planning with the freespace assumption, Koenig and Smirnov
2003), so the way to a told goal is never given up, and what turned out a dead end is left for good. Without a
goal it leads to where the nearest large unknown begins (frontiers, Yamauchi 1997). A way stands until it is
blocked, left, or at its end, so that who follows it does not turn to and fro between two that are alike.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from envs.house.ground import Stance, wrapped
from envs.house.tasks.egomap import CELL_M, SOLID, UNKNOWN, EgoMap

_UNKNOWN_COST, _TIGHT_COST, _SOLID_COST = 1.3, 5.0, 200.0
"""Of a metre, where free floor is 1: tight is what lies within a body's reach of something solid."""
_SPARE_M = 0.06
"""How far from what is solid the body likes to keep."""
_HALF, _MARGIN = 100, 6
"""Cells to each side, and around what is known, that are planned in."""
_LARGE = 5
"""Cells a side of the least unknown square that is worth going to."""
_UNDERFOOT_M = 1.2
"""How far from the way walked the unknown begins: nearer than that, eyes pass over it."""
_STRAIGHT = 1.03
"""How much dearer than the way found a straight line to one of its points may be."""
_ALONG_M = 0.05
_LEFT_M = 0.4
"""How far from its way a body has left it."""
_DEARER, _DEARER_M = 1.2, 0.5
"""How much dearer a way may become before another is looked for: so many times, and so much more."""
_THING_M = 1.0
"""About something that was found its own solid cells, and what it stands on, do not close the way to it."""


@dataclass(frozen=True, eq=False)
class Way:
    """Where to go."""

    points: np.ndarray  # (N, 2) metres, middles of neighbouring cells, from where the body is
    spent: np.ndarray  # (N,) what it cost up to each point when it was planned: metres of free floor
    towards: bool
    """To a goal; else to the unknown."""


def way(known: EgoMap, stance: Stance, goals: np.ndarray | None, before: Way | None = None) -> Way | None:
    """Return the way from where a body stands to the nearest of some points (K, 2), or with None to the
    nearest large unknown; None where no unknown is left that it could walk to.

    `before` is the way it has followed, which it keeps while that is good.
    """
    area = Area.around(known, stance, goals)
    kept = None if before is None else _kept(before, area, stance, goals)
    return kept if kept is not None else _planned(area, stance, goals)


def _kept(before: Way, area: "Area", stance: Stance, goals: np.ndarray | None) -> Way | None:
    if before.towards != (goals is not None):
        return None
    away = np.linalg.norm(before.points - stance.point, axis=1)
    nearest = int(away.argmin())
    points = before.points[nearest:]
    if away[nearest] > _LEFT_M or len(points) < 2:
        return None
    if goals is None:
        if not area.holds(points[-1]) or not area.unseen[area.cell(points[-1])]:
            return None
    elif np.linalg.norm(goals - points[-1], axis=1).min() > CELL_M:
        return None
    spent = before.spent[nearest:]
    if area.along(points)[-1] > _DEARER * (spent[-1] - spent[0]) + _DEARER_M:
        return None
    return Way(points, spent, before.towards)


def _planned(area: "Area", stance: Stance, goals: np.ndarray | None) -> Way | None:
    extra = area.beyond_unknown() if goals is None else area.beyond(goals)
    if not np.isfinite(extra).any():
        return None
    cells = np.array(_path(area.cost, area.cell(stance.point), extra))
    if goals is None and (area.cells[cells[:, 0], cells[:, 1]] == SOLID).any():
        return None
    points = area.centre(cells)
    if goals is not None and len(goals) == 1 and not area.holds(goals[0]):
        points = np.concatenate([points, goals])  # as the crow flies from the edge of what is planned in
    return Way(points, area.along(points), goals is not None)


def waypoint(known: EgoMap, stance: Stance, followed: Way | None) -> np.ndarray:
    """Return where the next corner of a way is, which a body goes straight to: float32 (2,), metres and
    radians to the left; zeros where there is no way.
    """
    if followed is None:
        return np.zeros(2, np.float32)
    x, y = Area.of(known, stance, followed).corner(stance, followed) - stance.point
    return np.array([math.hypot(x, y), wrapped(math.atan2(-x, y) - stance.yaw)], np.float32)


@dataclass(frozen=True)
class Area:
    """The part of the map that is planned in, and what going costs there."""

    known: EgoMap
    low: np.ndarray  # (2,) its first cell
    cells: np.ndarray  # (columns, rows)
    cost: np.ndarray  # (columns, rows) of a metre there

    @classmethod
    def around(cls, known: EgoMap, stance: Stance, goals: np.ndarray | None) -> "Area":
        """What is known about a body on its way to `goals`, or to the unknown."""
        here = np.concatenate(known.places(stance.point[None]))
        seen = np.argwhere(known.cells != UNKNOWN)
        low = np.maximum(np.maximum(seen.min(0) - _MARGIN, here - _HALF), 0)
        high = np.minimum(np.minimum(seen.max(0) + _MARGIN + 1, here + _HALF), known.cells.shape)
        part = slice(low[0], high[0]), slice(low[1], high[1])
        cost = _costs(known.cells[part], known.radius)
        if goals is not None and known.found[part].any():
            near = _away(~known.found[part]) <= _THING_M
            cost[near] = np.minimum(cost[near], _TIGHT_COST)
        return cls(known, low, known.cells[part], cost)

    @classmethod
    def of(cls, known: EgoMap, stance: Stance, followed: Way) -> "Area":
        """What is known about a body on a way."""
        return cls.around(known, stance, followed.points[-1:] if followed.towards else None)

    def cell(self, point: np.ndarray) -> tuple[int, int]:
        """The cell that holds a point; it may lie outside."""
        (x,), (y,) = self.known.places(np.asarray(point)[None])
        return int(x - self.low[0]), int(y - self.low[1])

    def holds(self, point: np.ndarray) -> bool:
        x, y = self.cell(point)
        return 0 <= x < self.cost.shape[0] and 0 <= y < self.cost.shape[1]

    def centre(self, cells: np.ndarray) -> np.ndarray:
        return self.known.centre(cells + self.low)

    def beyond(self, goals: np.ndarray) -> np.ndarray:
        """What it costs to go on to the nearest goal: 0 in their cells; where all are outside, from each cell
        of the edge as the crow flies; inf elsewhere.
        """
        extra = np.full(self.cells.shape, np.inf)
        inside = [self.cell(goal) for goal in goals if self.holds(goal)]
        if inside:
            extra[tuple(np.array(inside).T)] = 0
            return extra
        edge = np.ones(extra.shape, bool)
        edge[1:-1, 1:-1] = False
        away = np.linalg.norm(self.centre(np.argwhere(edge))[:, None] - goals, axis=-1).min(1)
        extra[edge] = _UNKNOWN_COST * away
        return extra

    def beyond_unknown(self) -> np.ndarray:
        """The same for wherever it is unknown all around: 0 there."""
        from scipy.ndimage import binary_opening

        squares = binary_opening(self.unseen, np.ones((_LARGE, _LARGE), bool))
        return np.where(squares, 0.0, np.inf)

    @property
    def unseen(self) -> np.ndarray:
        """The unknown cells that are not too near the way walked to be seen from it, (columns, rows)."""
        high = self.low + self.cells.shape
        walked = self.known.trail[self.low[0] : high[0], self.low[1] : high[1]]
        return (self.cells == UNKNOWN) & (_away(~walked) > _UNDERFOOT_M)

    def along(self, points: np.ndarray) -> np.ndarray:
        """What the way from point to neighbouring point (N, 2) costs up to each of them, (N,)."""
        worth, steps = self._costs_at(points), np.linalg.norm(np.diff(points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum((worth[:-1] + worth[1:]) / 2 * steps)])

    def dear(self, start: np.ndarray, end: np.ndarray) -> float:
        """What a straight line costs: metres of free floor."""
        far = float(np.linalg.norm(end - start))
        count = max(2, math.ceil(far / _ALONG_M))
        line = start + (np.arange(count)[:, None] + 0.5) / count * (end - start)
        return far * float(self._costs_at(line).mean())

    def corner(self, stance: Stance, followed: Way) -> np.ndarray:
        """The farthest point (2,) of a way that a straight line from a body reaches about as cheaply."""
        chosen = followed.points[:2][-1]
        for end, spent in zip(followed.points[2:], self.along(followed.points)[2:], strict=True):
            if self.dear(stance.point, end) > _STRAIGHT * spent + CELL_M:
                break
            chosen = end
        return chosen

    def _costs_at(self, points: np.ndarray) -> np.ndarray:
        """The costs at points (N, 2), between the middles of cells in proportion; outside, as at the edge."""
        at = np.clip(self.known.cell(points) - self.low, 0, np.array(self.cost.shape) - 1.001)
        x, y = at.astype(int).T
        across, along = at[:, 0] - x, at[:, 1] - y
        left = (1 - along) * self.cost[x, y] + along * self.cost[x, y + 1]
        right = (1 - along) * self.cost[x + 1, y] + along * self.cost[x + 1, y + 1]
        return (1 - across) * left + across * right


def _costs(cells: np.ndarray, radius: float) -> np.ndarray:
    cost = np.where(cells == UNKNOWN, _UNKNOWN_COST, 1.0)
    cost[_away(cells != SOLID) < radius + _SPARE_M + CELL_M / 2] = _TIGHT_COST
    cost[cells == SOLID] = _SOLID_COST
    return cost


def _away(outside: np.ndarray) -> np.ndarray:
    """How far cells are from those where `outside` is False, metres; middle to middle."""
    from scipy.ndimage import distance_transform_edt  # here, for it loads slower than all else of a house

    return distance_transform_edt(outside) * CELL_M


def _path(cost: np.ndarray, here: tuple[int, int], extra: np.ndarray) -> list[tuple[int, int]]:
    """The cheapest way over the cells, eight neighbours each, from here to a cell that is finite in `extra`,
    which is what it costs to go on from there.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    rows, starts, columns, metres = _neighbours(cost.shape)
    flat, goals = cost.ravel(), np.flatnonzero(np.isfinite(extra)).astype(np.int32)
    weights = (flat[rows] + flat[columns]) * (metres / 2)
    weights = np.concatenate([weights, extra.flat[goals] + 1e-6])  # from a node beyond all goals
    columns = np.concatenate([columns, goals])
    starts = np.append(starts, np.int32(len(columns)))
    graph = csr_array((weights, columns, starts), (cost.size + 1, cost.size + 1))
    _, before = dijkstra(graph, indices=cost.size, return_predecessors=True)
    at = here[0] * cost.shape[1] + here[1]
    way = [here]
    while 0 <= before[at] < cost.size:
        at = int(before[at])
        way.append(divmod(at, cost.shape[1]))
    return way


@functools.lru_cache(maxsize=8)
def _neighbours(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of a grid's cells in order: each edge's first cell, where each cell's edges start, each edge's other
    cell, and how long it is, metres.
    """
    steps = np.array([step for step in itertools.product((-1, 0, 1), repeat=2) if any(step)])  # 8 2
    cells = np.stack(np.indices(shape), -1).reshape(-1, 1, 2)
    others = cells + steps  # N 8 2
    inside = ((others >= 0) & (others < shape)).all(-1)
    counts = inside.sum(1)
    rows = np.repeat(np.arange(len(cells), dtype=np.int32), counts)
    columns = (others[..., 0] * shape[1] + others[..., 1])[inside].astype(np.int32)
    metres = np.broadcast_to(np.hypot(*steps.T), inside.shape)[inside] * CELL_M
    return rows, np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), columns, metres
