"""What to do by the map that the body draws for itself, and by nothing else of the house.

Unknown floor is taken for free until it is seen (planning with the freespace assumption, Koenig and Smirnov
2003), so the way to a told goal is never given up, and what turned out a dead end is left for good. Without a
goal it goes to where the nearest large unknown begins (frontiers, Yamauchi 1997). What it does is a function
of what an observation shows, which is what makes it learnable.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from envs.house.simulator import Stance
from envs.house.tasks.body import AHEAD, LEFT, RIGHT, Body
from envs.house.tasks.egomap import CELL_M, SOLID, UNKNOWN, EgoMap

_UNKNOWN_COST, _TIGHT_COST, _SOLID_COST = 1.3, 5.0, 200.0
"""Of a metre, where free floor is 1: tight is what lies within a body's reach of something solid."""
_SPARE_M = 0.06
"""How far from what is solid the body likes to keep."""
_HALF, _MARGIN = 100, 6
"""Cells to each side, and around what is known, that are planned in."""
_LARGE = 5
"""Cells a side of the least unknown square that is worth going to."""
_STRAIGHT = 1.03
"""How much dearer than the way found a straight line to one of its points may be."""
_ALONG_M = 0.05
_LOOK_M = 0.1
"""How far beyond a step the floor is looked at."""
_STEADY = 0.02
"""What going on as one looks may cost more than the best."""
_ASIDE = 2
"""Turns to either side of the wanted heading that are weighed."""


def next_action(known: EgoMap, stance: Stance, body: Body, goal: np.ndarray | None) -> int | None:
    """Return what a body should do on its way to a goal (2,), or without one to the nearest large unknown;
    None where no unknown is left that it could walk to.
    """
    area = _Area.around(known, stance)
    here = area.cell(stance.point)
    path = _path(area.cost, here, area.beyond_unknown() if goal is None else area.beyond(goal))
    cells = np.array(path)
    if goal is None and (area.cells[cells[:, 0], cells[:, 1]] == SOLID).any():
        return None
    target = _corner(cells, area, stance.point) if len(path) > 1 else area.centre(cells[0])
    if goal is not None and np.linalg.norm(target - goal) < CELL_M:
        target = goal
    return _turned_or_gone(target, area, stance, body)


def _turned_or_gone(target: np.ndarray, area: "_Area", stance: Stance, body: Body) -> int:
    """Go on where the way ahead is about the best of those towards a target, else turn to the best."""
    way, turn = target - stance.point, math.radians(body.turn)
    wanted = _wrapped(math.atan2(-way[0], way[1]) - stance.yaw)
    nearest, turns = round(wanted / turn), round(360 / body.turn)

    def dear(k: int) -> float:
        angle = stance.yaw + k * turn
        forward = np.array([-math.sin(angle), math.cos(angle)])
        end = stance.point + (body.step + _LOOK_M) * forward
        return area.dear(stance.point, end) + body.step * abs(wanted - k * turn)

    around = range(nearest - _ASIDE, nearest + _ASIDE + 1)
    best = min(around, key=dear)
    if 0 in around and dear(0) <= dear(best) + _STEADY:
        return AHEAD
    best = (best + turns // 2) % turns - turns // 2
    return LEFT if best > 0 else RIGHT


@dataclass(frozen=True)
class _Area:
    """The part of the map that is planned in."""

    known: EgoMap
    low: np.ndarray  # (2,) its first cell
    cells: np.ndarray  # (columns, rows)
    cost: np.ndarray  # (columns, rows) of a metre there

    @classmethod
    def around(cls, known: EgoMap, stance: Stance) -> "_Area":
        here = np.concatenate(known.places(stance.point[None]))
        seen = np.argwhere(known.cells != UNKNOWN)
        low = np.maximum(np.maximum(seen.min(0) - _MARGIN, here - _HALF), 0)
        high = np.minimum(np.minimum(seen.max(0) + _MARGIN + 1, here + _HALF), known.cells.shape)
        cells = known.cells[low[0] : high[0], low[1] : high[1]]
        return cls(known, low, cells, _costs(cells, known.radius))

    def cell(self, point: np.ndarray) -> tuple[int, int]:
        """The cell that holds a point; it may lie outside."""
        (x,), (y,) = self.known.places(np.asarray(point)[None])
        return int(x - self.low[0]), int(y - self.low[1])

    def centre(self, cells: np.ndarray) -> np.ndarray:
        return self.known.centre(cells + self.low)

    def beyond(self, goal: np.ndarray) -> np.ndarray:
        """What it costs to go on to a goal: 0 in its cell; where that is outside, from each cell of the edge
        as the crow flies; inf elsewhere.
        """
        extra = np.full(self.cells.shape, np.inf)
        x, y = self.cell(goal)
        if 0 <= x < extra.shape[0] and 0 <= y < extra.shape[1]:
            extra[x, y] = 0
            return extra
        edge = np.ones(extra.shape, bool)
        edge[1:-1, 1:-1] = False
        extra[edge] = _UNKNOWN_COST * np.linalg.norm(self.centre(np.argwhere(edge)) - goal, axis=1)
        return extra

    def beyond_unknown(self) -> np.ndarray:
        """The same for wherever it is unknown all around: 0 there."""
        from scipy.ndimage import binary_opening

        squares = binary_opening(self.cells == UNKNOWN, np.ones((_LARGE, _LARGE), bool))
        return np.where(squares, 0.0, np.inf)

    def dear(self, point: np.ndarray, end: np.ndarray) -> float:
        """What a straight line costs; what is outside counts as the edge."""
        far = float(np.linalg.norm(end - point))
        count = max(2, math.ceil(far / _ALONG_M))
        line = point + (np.arange(count)[:, None] + 0.5) / count * (end - point)
        at = np.clip(self.known.cell(line) - self.low, 0, np.array(self.cost.shape) - 1.001)
        x, y = at.astype(int).T
        across, along = at[:, 0] - x, at[:, 1] - y
        left = (1 - along) * self.cost[x, y] + along * self.cost[x, y + 1]
        right = (1 - along) * self.cost[x + 1, y] + along * self.cost[x + 1, y + 1]
        return float(np.mean((1 - across) * left + across * right)) * far


def _costs(cells: np.ndarray, radius: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt  # here, for it loads slower than all else of a house

    cost = np.where(cells == UNKNOWN, _UNKNOWN_COST, 1.0)
    away = distance_transform_edt(cells != SOLID) * CELL_M
    cost[away < radius + _SPARE_M + CELL_M / 2] = _TIGHT_COST
    cost[cells == SOLID] = _SOLID_COST
    return cost


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


def _corner(path: np.ndarray, area: _Area, point: np.ndarray) -> np.ndarray:
    """The farthest point of a way, cells (N, 2), that a straight line reaches about as cheaply."""
    points = area.centre(path)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    worth = area.cost[path[:, 0], path[:, 1]]
    spent = np.cumsum((worth[:-1] + worth[1:]) / 2 * steps)
    chosen = points[1]
    for end, most in zip(points[1:], spent, strict=True):
        if area.dear(point, end) <= _STRAIGHT * most + CELL_M:
            chosen = end
    return chosen


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
