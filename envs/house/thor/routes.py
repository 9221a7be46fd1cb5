"""Actions that ask where the agent can go."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from envs.house.thor.errors import ActionError
from envs.house.thor.objects import find_object, listed
from envs.house.thor.registry import Vector, action, missing_arguments
from envs.house.thor.session import Session
from envs.house.thor.settings import CENTRE

_MOST = 100_000
_NEAR = 0.3
"""Metres within which a free place stands for a point."""
_LEAST = 0.02
"""Metres of the shortest moves."""


@action("GetReachablePositions", still=True)
def get_reachable_positions(
    session: Session, *, gridSize: float | None = None, maxStepCount: int = _MOST
) -> list[dict[str, float]]:
    """Return the places that moves of one length along x and z lead to, one after another."""
    if gridSize is not None and gridSize < _LEAST:
        raise ActionError(f"gridSize must be at least {_LEAST:g}; got {gridSize:g}")
    return reachable(session, gridSize, maxStepCount)


def reachable(session: Session, grid: float | None = None, most: int = _MOST) -> list[dict[str, float]]:
    """Return what GetReachablePositions does, in the order of x and then z."""
    simulator, step = session.simulator, grid or session.settings.grid
    low, high = session.bounds
    xs, ys = (
        at + step * np.arange(-_steps(at - low[axis], step), _steps(high[axis] - at, step) + 1)
        for axis, at in enumerate((session.x, session.z))
    )
    home = int(np.abs(xs - session.x).argmin()), int(np.abs(ys - session.z).argmin())
    (touched,) = simulator.obstacles.marks(xs, ys, [simulator.obstacles.body.radius])
    free = ~touched & simulator.floor_mask(xs, ys)
    free[home] = True  # it may leave where it cannot come back to
    number = np.where(free, np.cumsum(free).reshape(free.shape) - 1, -1)
    pairs = np.vstack(
        [
            np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
        ]
    )
    pairs = pairs[(pairs >= 0).all(1)]
    i, j = np.nonzero(free)
    points = np.stack([xs[i], ys[j]], 1)
    pairs = pairs[simulator.obstacles.all_free(points[pairs[:, 0]], points[pairs[:, 1]])]
    ways = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points)))
    away = dijkstra(ways, directed=False, indices=number[home], unweighted=True, limit=most)
    return [{"x": float(x), "y": CENTRE, "z": float(z)} for x, z in points[np.isfinite(away)]]


def _steps(length: float, step: float) -> int:
    return max(0, int(length / step) + 1)


@action("GetShortestPath", still=True)
def get_shortest_path(
    session: Session,
    *,
    objectId: str | None = None,
    objectType: str | None = None,
    position: Vector | None = None,
    rotation: Vector | None = None,
    allowedError: float = _NEAR,
) -> dict[str, Any]:
    """Return the corners of the shortest way to the free place nearest to an object."""
    if objectId is None and objectType is None:
        raise missing_arguments("GetShortestPath", ["objectId"])
    if objectId is not None:
        chosen = [find_object(session, objectId).id]
    else:
        chosen = [thing.id for thing in listed(session) if thing.type == objectType]
        if len(chosen) != 1:
            raise ActionError(
                f"{len(chosen)} objects of type {objectType} are in the scene: say which by objectId "
                f"{', '.join(chosen[:5])}"
            )
    low, high = session.simulator.box(chosen[0])
    grid = session.simulator.grid
    gap = np.maximum(np.maximum(low[:2] - grid.points, grid.points - high[:2]), 0)
    away = np.hypot(*gap.T)
    start = grid.snap(_start(session, position), allowedError)
    if start is None:
        raise ActionError(f"the start {_start(session, position)} is not near any free place")
    away[~np.isfinite(grid.field([start]).distances)] = np.inf
    if not np.isfinite(away.min(initial=np.inf)):
        raise ActionError(f"Path to target {chosen[0]} could not be found")
    return _path(session, position, int(away.argmin()), allowedError)


@action("GetShortestPathToPoint", still=True)
def get_shortest_path_to_point(
    session: Session,
    *,
    x: float | None = None,
    y: float | None = None,
    z: float | None = None,
    target: Vector | None = None,
    position: Vector | None = None,
    rotation: Vector | None = None,
    allowedError: float = _NEAR,
) -> dict[str, Any]:
    """Return the corners of the shortest way to a point."""
    asked = {axis: value for axis, value in (("x", x), ("y", y), ("z", z)) if value is not None}
    asked = dict(target or asked)
    if not {"x", "z"} <= set(asked):
        raise missing_arguments("GetShortestPathToPoint", ["target"])
    goal = session.simulator.grid.snap((asked["x"], asked["z"]), allowedError)
    if goal is None:
        raise ActionError(f"the point ({asked['x']:g}, {asked['z']:g}) is not near any free place")
    return _path(session, position, goal, allowedError)


def _start(session: Session, position: Vector | None) -> tuple[float, float]:
    place = {"x": session.x, "z": session.z, **(position or {})}
    return place["x"], place["z"]


def _path(session: Session, position: Vector | None, goal: int, reach: float) -> dict[str, Any]:
    start = _start(session, position)
    path = session.simulator.grid.path(start, [goal], reach)
    if path is None:
        raise ActionError(f"Path from ({start[0]:g}, {start[1]:g}) could not be found")
    return {"corners": [{"x": float(x), "y": 0.0, "z": float(z)} for x, z in path], "status": "PathComplete"}
