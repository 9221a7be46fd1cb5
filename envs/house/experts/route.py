"""The shortest way in a body's own steps: straight moves of one length at headings of a fixed turn.

A search over places (A*, Hart et al. 1968), led by the distances of the navigation grid and by exact
collision tests, so that every move of the route succeeds when it is played.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.simulator import HouseSimulator, Stance

_TURN_COST = 0.02
"""Metres that a turn is worth: enough to prefer straight ways, too little to lengthen one."""
_SAME_PLACE = 0.1
"""Metres within which two places are one to the search."""
_MOST_PLACES = 6_000


@dataclass(frozen=True)
class Route:
    """Headings to take, one for each move, as numbers of turns from the first."""

    headings: tuple[int, ...]
    end: tuple[float, float]


def route(
    simulator: HouseSimulator,
    start: Stance,
    goals: Sequence[int],
    reached: Callable[[np.ndarray], bool],
    *,
    step: float = 0.25,
    turns: int = 12,
) -> Route | None:
    """Return the moves from `start` to a place that is `reached`; None where there is no way.

    Arguments:
        goals: cells of the simulator's grid that lie there; their distances lead the search.
        reached: whether a place (x, y) will do.
        step: length of a move, metres.
        turns: headings in a full circle.
    """
    grid, obstacles = simulator.grid, simulator.obstacles
    distances = grid.field(goals).distances
    certain = grid.ways(_moves(start, step, turns))

    def left(points: np.ndarray) -> np.ndarray:
        cells = grid.snaps(points, 0.2)
        return np.where(cells >= 0, distances[cells], np.inf)

    def free(point: np.ndarray, ends: np.ndarray) -> np.ndarray:
        passes, never = certain(point)
        open_ways = ~never & simulator.on_floors(ends)
        asked = np.flatnonzero(open_ways & ~passes)
        if len(asked):
            open_ways[asked] = obstacles.free(point, ends[asked])
        return open_ways

    return search(start, left, free, reached, step=step, turns=turns)


def search(
    start: Stance,
    left: Callable[[np.ndarray], np.ndarray],
    free: Callable[[np.ndarray, np.ndarray], np.ndarray],
    reached: Callable[[np.ndarray], bool],
    *,
    step: float,
    turns: int,
    same_place: float = _SAME_PLACE,
    most_places: int = _MOST_PLACES,
) -> Route | None:
    """Return the moves from `start` to a place that is `reached`; None where none is found.

    Arguments:
        same_place: metres within which two places are one.
        most_places: how many are looked at before giving up.
        left: about how far it still is from places (N, 2), inf where there is no way; (N,).
        free: (place, ends (turns, 2)) → which straight moves to the ends nothing stops, bool (turns,).
        reached, step, turns: see `route`.
    """
    moves = _moves(start, step, turns)
    first = start.point
    if reached(first):
        return Route((), tuple(first))
    still = float(left(first[None])[0])
    if not math.isfinite(still):
        return None
    count = itertools.count()
    best: dict[tuple[int, int], float] = {}
    waiting = [(still, next(count), 0.0, tuple(first.tolist()), 0, None)]
    while waiting and len(best) < most_places:
        _, _, cost, place, heading, before = heapq.heappop(waiting)
        key = (round(place[0] / same_place), round(place[1] / same_place))
        if best.get(key, math.inf) <= cost:
            continue
        best[key] = cost
        point = np.array(place)
        if before is not None and reached(point):
            return Route(_headings((heading, before)), place)
        ends = point + moves
        turned = np.flatnonzero(free(point, ends))
        lefts, keys = left(ends[turned]), np.rint(ends[turned] / same_place).astype(int)
        for turn, still, key in zip(turned.tolist(), lefts.tolist(), map(tuple, keys.tolist()), strict=True):
            away = abs((turn - heading + turns // 2) % turns - turns // 2)
            spent = cost + step + _TURN_COST * away
            if still < math.inf and best.get(key, math.inf) > spent:
                end = tuple(ends[turn].tolist())
                heapq.heappush(waiting, (spent + still, next(count), spent, end, turn, (heading, before)))
    return None


def _moves(start: Stance, step: float, turns: int) -> np.ndarray:
    """The moves at every heading, (turns, 2)."""
    angles = start.yaw + np.arange(turns) * (2 * math.pi / turns)
    return step * np.stack([-np.sin(angles), np.cos(angles)], 1)


def _headings(chain) -> tuple[int, ...]:
    """Unwind (heading, (heading before, …)) into headings from the first move on."""
    found = []
    while chain is not None:
        heading, chain = chain
        found.append(heading)
    return tuple(found[:-1][::-1])
