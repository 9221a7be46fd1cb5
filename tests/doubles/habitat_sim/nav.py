"""Path finding: what is asked and answered as float32, NaN and inf as the real one does."""

import math

import numpy as np

from envs.habitat.navmesh.settings import NavMeshSettings as Settings
from envs.habitat.pathfinder import PathFinder as Ours

from .configuration import NavMeshSettings, Struct


def _point(value) -> np.ndarray:
    found = np.asarray(value)
    if found.shape != (3,) or found.dtype.kind not in "fi":
        raise TypeError(f"(): incompatible function arguments: {value!r}")
    return found.astype(np.float32)


class ShortestPath(Struct):
    FIELDS = {  # noqa: RUF012
        "requested_start": np.zeros(3, np.float32), "requested_end": np.zeros(3, np.float32),
        "points": (), "geodesic_distance": 0.0,
    }  # fmt: skip


class MultiGoalShortestPath(Struct):
    FIELDS = {  # noqa: RUF012
        "requested_start": np.zeros(3, np.float32), "requested_ends": (), "points": (),
        "geodesic_distance": 0.0, "closest_end_point_index": -1,
    }  # fmt: skip


class PathFinder:
    def __init__(self) -> None:
        self._ours: Ours | None = None
        self._rng = np.random.default_rng(0)

    def _loaded(self) -> Ours:
        if self._ours is None:
            raise SystemExit("segmentation fault: no navigation mesh")
        return self._ours

    def _build(self, boxes, settings: NavMeshSettings) -> bool:
        """What Simulator.recompute_navmesh does: False for bad settings, and the old mesh stays."""
        if settings.cell_size == 0:
            raise SystemExit("segmentation fault")
        names = ("agent_height", "agent_radius", "agent_max_climb", "cell_size", "cell_height")
        names += ("region_min_size", "region_merge_size", "edge_max_error", "edge_max_len")
        try:
            found = Ours.of_boxes(
                boxes.low, boxes.high, Settings(**{name: getattr(settings, name) for name in names})
            )
        except Exception:
            return False
        if found.is_loaded:
            self._ours = found
        return found.is_loaded

    @property
    def is_loaded(self) -> bool:
        return self._ours is not None

    @property
    def navigable_area(self) -> float:
        return self._ours.navigable_area if self._ours else 0.0

    def seed(self, seed: int) -> None:
        self._rng = np.random.default_rng(max(int(seed), 1))

    def is_navigable(self, pt, max_y_delta: float = 0.5) -> bool:
        return bool(np.isfinite(_point(pt)).all()) and self._loaded().is_navigable(_point(pt), max_y_delta)

    def snap_point(self, point) -> np.ndarray:
        asked = _point(point)
        ours = self._loaded()
        return ours.snap(asked).astype(np.float32) if np.isfinite(asked).all() else np.full(3, np.nan, "f4")

    def get_random_navigable_point(self) -> np.ndarray:
        if self._ours is None:
            raise RuntimeError("NavMesh has no navigable area, this indicates an issue with the NavMesh")
        return self._ours.random_point(self._rng).astype(np.float32)

    def try_step(self, start, end) -> np.ndarray:
        return self._loaded().try_step(_point(start), _point(end), True).astype(np.float32)

    def try_step_no_sliding(self, start, end) -> np.ndarray:
        return self._loaded().try_step(_point(start), _point(end), False).astype(np.float32)

    def distance_to_closest_obstacle(self, pt, max_search_radius: float = 2.0) -> float:
        return float(self._loaded().distance_to_obstacle(_point(pt), max_search_radius)[0])

    def get_topdown_view(self, meters_per_pixel: float, height: float) -> np.ndarray:
        if self._ours is None:
            return np.zeros((0, 0), bool)
        if meters_per_pixel <= 0:
            raise MemoryError("std::bad_alloc")
        return self._ours.topdown(meters_per_pixel, height)

    def get_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._loaded().bounds
        return np.asarray(low, np.float32), np.asarray(high, np.float32)

    def find_path(self, path) -> bool:
        ours = self._loaded()
        if not isinstance(path, ShortestPath | MultiGoalShortestPath):
            raise TypeError(f"find_path(): incompatible function arguments: {path!r}")
        single = isinstance(path, ShortestPath)
        goals = [path.requested_end] if single else [_point(end) for end in path.requested_ends]
        asked = [path.requested_start, *goals]
        path.geodesic_distance, path.points = math.inf, []
        if not goals or not np.isfinite(asked).all():
            return False
        way = ours.way(asked[0], goals)
        path.geodesic_distance = way.geodesic
        path.points = [point.astype(np.float32) for point in way.points]
        if not single:
            path.closest_end_point_index = way.goal
        return math.isfinite(way.geodesic)
