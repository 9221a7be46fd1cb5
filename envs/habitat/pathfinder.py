"""Where a body can be and how far it is to somewhere, with the answers that habitat-sim gives.

Frame: habitat's, metres, y up; a body looks along -z.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.errors import EnvError
from envs.habitat.navmesh.contours import contours
from envs.habitat.navmesh.polygons import polygons
from envs.habitat.navmesh.regions import regions
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.navmesh.surface import Surface
from envs.habitat.navmesh.voxels import Cells, walkable
from envs.habitat.specs import checked_point


@dataclass(frozen=True)
class Way:
    """A short way. `geodesic` is inf and `points` (N, 3) empty where there is none."""

    geodesic: float
    points: np.ndarray
    goal: int = -1
    """Which of the goals it leads to."""


_NO_WAY = Way(math.inf, np.zeros((0, 3)))


class PathFinder:
    """The navigation mesh of a scene.

    Arguments:
        surface: the mesh.
        bounds: two corners of the scene's box, (3,) each.
    """

    def __init__(self, surface: Surface, bounds: tuple[np.ndarray, np.ndarray]) -> None:
        self._surface, self.bounds = surface, bounds
        self._asked, self._found = b"", True  # the last goals, and whether all are on the mesh

    @classmethod
    def of_boxes(
        cls, low: np.ndarray, high: np.ndarray, settings: NavMeshSettings | None = None
    ) -> "PathFinder":
        """Make the mesh of boxes with corners (K, 3) in metres. Raises EnvError where there are none."""
        settings = settings or NavMeshSettings()
        if not len(low):
            raise EnvError("a navigation mesh needs something to stand on: the scene has no boxes")
        bounds = np.min(low, axis=0), np.max(high, axis=0)
        return cls(surface_of(walkable(low, high, settings), bounds[0], settings), bounds)

    @property
    def is_loaded(self) -> bool:
        """Whether there is any place to stand."""
        return bool(self._surface.pieces)

    def _loaded(self) -> Surface:
        if not self.is_loaded:
            raise EnvError(
                "the navigation mesh is empty: no floor is large enough for this body; give it a smaller "
                "radius or height, or a scene with a floor"
            )
        return self._surface

    @functools.cached_property
    def _areas(self) -> np.ndarray:
        return np.array([self._surface.area(piece) for piece in range(len(self._surface.pieces))])

    @property
    def navigable_area(self) -> float:
        """Square metres of floor to stand on."""
        return float(self._areas.sum())

    @property
    def corners(self) -> np.ndarray:
        """The corners of the mesh's pieces, (V, 3)."""
        return self._surface.corners

    # places

    def snap(self, point: Sequence[float]) -> np.ndarray:
        """Return the place nearest to a point, (3,); NaN where none is in reach."""
        found = self._loaded().nearest(checked_point(point))
        return np.full(3, np.nan) if found is None else found[1]

    def is_navigable(self, point: Sequence[float], tolerance: float = 0.5) -> bool:
        """Return whether a body can stand at a point, which may be `tolerance` metres too high or low."""
        point = checked_point(point)
        found = self._loaded().nearest(point)
        if found is None:
            return False
        away = np.abs(found[1] - point)
        return bool(away[1] <= tolerance and math.hypot(away[0], away[2]) <= 0.01)

    def island(self, point: Sequence[float]) -> int | None:
        """Return the number of the connected floor that a point is on; None away from any."""
        found = self._loaded().nearest(checked_point(point))
        return None if found is None else int(self._surface.islands[found[0]])

    def island_radius(self, point: Sequence[float]) -> float:
        """Return how far the island of a point reaches from the mean of its pieces' corners, metres; 0 away
        from any.
        """
        island = self.island(point)
        if island is None:
            return 0.0
        surface = self._surface
        pieces = np.flatnonzero(surface.islands == island)
        corners = surface.corners[[corner for piece in pieces for corner in surface.pieces[piece]]]
        return float(np.linalg.norm(corners - corners.mean(0), axis=1).max())

    def distance_to_obstacle(
        self, point: Sequence[float], reach: float = 2.0
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the distance to the nearest edge of the mesh, at most `reach`, the point on it and the unit
        vector back.
        """
        point = checked_point(point)
        if self._loaded().nearest(point) is None:
            return math.inf, np.full(3, np.nan), np.full(3, np.nan)
        return self._surface.wall(point, reach)

    def random_point(self, rng: np.random.Generator, island: int | None = None) -> np.ndarray:
        """Draw a place, evenly over the floor, (3,)."""
        surface, areas = self._loaded(), self._areas.copy()
        if island is not None:
            areas[surface.islands != island] = 0
        piece = int(rng.choice(len(areas), p=areas / areas.sum()))
        ring = surface.corners[list(surface.pieces[piece])]
        first, second, third = ring[0], ring[1:-1], ring[2:]
        a, b = second - first, third - first
        parts = np.abs(a[:, 0] * b[:, 2] - a[:, 2] * b[:, 0])
        k = int(rng.choice(len(parts), p=parts / parts.sum()))
        u, v = rng.random(2)
        if u + v > 1:
            u, v = 1 - u, 1 - v
        return first + u * a[k] + v * b[k]

    def topdown(self, metres_per_pixel: float, height: float, tolerance: float = 0.5) -> np.ndarray:
        """Return which places a body can stand at, from above, bool (z, x)."""
        if not metres_per_pixel > 0:
            raise EnvError(f"metres_per_pixel={metres_per_pixel!r}: give a positive number, such as 0.05")
        low, high = (np.asarray(corner, np.float32) for corner in self.bounds)
        wide, deep = ((high - low)[[0, 2]] / np.float32(metres_per_pixel)).astype(int)
        if wide * deep > 4_000_000:
            raise EnvError(f"metres_per_pixel={metres_per_pixel:g}: a map of {wide} by {deep} is too large")
        xs, zs = (low[k] + np.arange(count) * metres_per_pixel for k, count in ((0, wide), (2, deep)))
        return np.array([[self.is_navigable((x, height, z), tolerance) for x in xs] for z in zs]).reshape(
            deep, wide
        )

    # ways

    def try_step(self, start: Sequence[float], end: Sequence[float], sliding: bool = True) -> np.ndarray:
        """Return where a body comes to that wants to go straight from one point to another, (3,)."""
        return self._loaded().step(checked_point(start, "start"), checked_point(end, "end"), sliding)

    def way(self, start: Sequence[float], goals: Sequence[Sequence[float]]) -> Way:
        """Return the shortest way to one of some points. One goal away from the mesh fails them all, as in
        habitat-sim.
        """
        surface, start = self._loaded(), checked_point(start, "start")
        goals = np.array([checked_point(goal, "goal") for goal in goals]).reshape(-1, 3)
        if not self._all_on_mesh(goals):
            return _NO_WAY
        best, away = _NO_WAY, np.linalg.norm(goals - start, axis=1)
        for number in np.argsort(away, kind="stable").tolist():
            if away[number] >= best.geodesic:
                break
            points = surface.path(start, goals[number])
            if points is not None:
                long = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
                if long < best.geodesic:
                    best = Way(long, points, number)
        return best

    def _all_on_mesh(self, goals: np.ndarray) -> bool:
        key = goals.tobytes()
        if self._asked != key:
            found = all(self._surface.nearest(goal) is not None for goal in goals)
            self._asked, self._found = key, found
        return self._found


def surface_of(cells: Cells, origin: np.ndarray, settings: NavMeshSettings) -> Surface:
    """Return the mesh over cells that count from `origin`, (3,) metres."""
    outlines = contours(cells, regions(cells, settings), settings)
    sizes = settings.cell_size, settings.cell_height
    return Surface(polygons(outlines), origin, sizes, settings.agent_max_climb)
