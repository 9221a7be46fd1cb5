"""The shortest way followed greedily: turn to its next corner, then go.

For bodies that slide along what they touch, where no step is lost. It looks at the place alone, so what it
says costs next to nothing and holds wherever the body went. Source: the idea of Habitat's shortest-path
follower (Savva et al. 2019).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from envs.house.ground import wrapped
from envs.house.navigation.grid import length
from envs.house.simulator import HouseSimulator

AT_GOAL, GO, TURN_LEFT, TURN_RIGHT = "at goal", "go", "turn left", "turn right"
_PASSED = 0.1
"""Metres within which a corner counts as passed."""


def next_move(
    simulator: HouseSimulator, goals: Sequence[int], *, step: float, turn: float, near: float
) -> str | None:
    """Return what the body should do now on the shortest way to the nearest of some cells of the grid; None
    where there is no way.

    Arguments:
        simulator: where the body is.
        goals: cells of its grid.
        step: metres of a move.
        turn: radians of one turn.
        near: metres of way from which on the body is there.
    """
    stance, path = simulator.stance, simulator.grid.path(simulator.stance.point, goals)
    if path is None:
        return None
    if length(path) <= near:
        return AT_GOAL
    away = np.linalg.norm(path[1:] - stance.point, axis=1)
    corner = path[1:][int(np.argmax(away > _PASSED))] if (away > _PASSED).any() else path[-1]
    way = corner - stance.point
    short = way * min(1.0, step / max(float(np.linalg.norm(way)), 1e-9))
    heading = math.atan2(-way[0], way[1])
    if simulator.way_blocked(stance.point, stance.point + short) is not None:
        heading = _best_heading(simulator, goals, heading, step, turn)
    error = wrapped(heading - stance.yaw)
    if abs(error) <= turn / 2 + 1e-6:
        return GO
    return TURN_LEFT if error > 0 else TURN_RIGHT


def _best_heading(
    simulator: HouseSimulator, goals: Sequence[int], ahead: float, step: float, turn: float
) -> float:
    """Return the heading of the body's own on which a move ends nearest to the goal, at most about a right
    angle from `ahead`.
    """
    own = simulator.stance.yaw + turn * round((ahead - simulator.stance.yaw) / turn)
    quarter = math.ceil(math.pi / 2 / turn)
    headings = [own + turn * k for k in sorted(range(-quarter, quarter + 1), key=abs)]

    def left(heading: float) -> float:
        point, _ = simulator.slid(replace(simulator.stance, yaw=heading), step)
        return simulator.grid.geodesic(point, goals)

    return min(headings, key=left)
