"""Where an episode begins: far enough from its goals, looking anywhere."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from envs.house.simulator import HouseSimulator, Stance
from envs.house.tasks.body import Body


def ids_by_type(simulator: HouseSimulator) -> dict[str, tuple[str, ...]]:
    """Return the things that can be moved, by their type, in the scene's order."""
    found: dict[str, tuple[str, ...]] = {}
    for id in simulator.states:
        type = simulator.thing(id).type
        found[type] = (*found.get(type, ()), id)
    return found


def begin_away(
    simulator: HouseSimulator,
    body: Body,
    goals: Sequence[int],
    far: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    pitch: float = 0.0,
) -> bool:
    """Stand the body somewhere on the largest floor, turned by a whole number of its turns.

    Arguments:
        goals: cells of the grid.
        far: the ways to the nearest of them, metres (N,) → which are long enough.
        pitch: how it looks up or down, radians.

    Returns False, and draws nothing, where there is no such place.
    """
    if not len(goals):
        return False
    grid = simulator.grid
    main = np.flatnonzero(grid.components == 0)
    away = grid.field(goals).distances[main]
    starts = main[np.isfinite(away) & far(away)]
    if not len(starts):
        return False
    x, y = grid.points[int(rng.choice(starts))]
    yaw = math.radians(body.turn) * int(rng.integers(round(360 / body.turn)))
    simulator.stand(Stance(float(x), float(y), yaw - math.pi, pitch, body.eye))
    return True
