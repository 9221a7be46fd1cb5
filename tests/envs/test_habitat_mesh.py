"""Navigation meshes of scenes that nobody recorded: what must hold of any."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from envs.habitat.navmesh.contours import contours
from envs.habitat.navmesh.polygons import polygons
from envs.habitat.navmesh.regions import regions
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.navmesh.surface import Surface
from envs.habitat.navmesh.voxels import Cells, walkable
from envs.habitat.pathfinder import PathFinder


def _room(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A walled floor with up to 25 boxes on it: corners (K, 3)."""
    rng = np.random.default_rng(seed)
    wide, deep = rng.uniform(3, 9, 2)
    boxes = [([0, -0.0995, 0], [wide, 0.199, deep])]
    boxes += [([side * (wide / 2 + 0.05), 1.25, 0], [0.1, 2.5, deep]) for side in (-1, 1)]
    boxes += [([0, 1.25, side * (deep / 2 + 0.05)], [wide, 2.5, 0.1]) for side in (-1, 1)]
    for _ in range(rng.integers(1, 25)):
        height, (x, z), (a, b) = rng.uniform(0.05, 2), rng.uniform(-0.5, 0.5, 2), rng.uniform(0.08, 1.2, 2)
        boxes.append(([x * wide, height / 2, z * deep], [a, height, b]))
    centre, size = (np.array([box[k] for box in boxes], float) for k in (0, 1))
    return centre - size / 2, centre + size / 2


def _area(ring: np.ndarray) -> float:
    x, z = ring[:, 0].astype(float), ring[:, 1].astype(float)
    return -float((x * np.roll(z, -1) - np.roll(x, -1) * z).sum()) / 2


def _parts(cells: Cells) -> int:
    rows, columns = np.repeat(np.arange(len(cells.x)), 4), cells.beside.ravel()
    joined = columns >= 0
    graph = csr_array((np.ones(joined.sum()), (rows[joined], columns[joined])), shape=(len(cells.x),) * 2)
    return connected_components(graph, directed=False)[0]


@pytest.mark.parametrize("seed", range(0, 24, 2))
def test_pieces_are_convex_and_fill_the_outlines(seed: int) -> None:
    low, high = _room(seed)
    settings = NavMeshSettings(agent_height=0.88, agent_radius=(0.1, 0.18, 0.3)[seed % 3])
    cells = walkable(low, high, settings)
    region = regions(cells, settings)
    outlines = contours(cells, region, settings)
    found = polygons(outlines)
    areas = []
    for piece in found.pieces:
        ring = found.corners[list(piece)][:, :2]
        ahead, after = np.roll(ring, -1, 0) - ring, np.roll(ring, -2, 0) - ring
        assert (ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0] <= 0).all()
        areas.append(_area(ring))
    assert min(areas) >= 0 and sum(areas) == pytest.approx(sum(_area(each.corners) for each in outlines))
    for place, around in enumerate(found.neighbours):
        assert all(place in found.neighbours[other] for other in around if other >= 0)
    islands = Surface(found, low.min(0), (0.05, 0.2)).islands
    assert len(set(islands)) == _parts(cells.kept(region > 0))


@pytest.mark.parametrize("seed", range(3))
def test_steps_stay_on_the_floor_and_ways_are_no_shorter_than_a_line(seed: int) -> None:
    low, high = _room(seed)
    paths = PathFinder.of_boxes(low, high, NavMeshSettings(agent_height=0.88, agent_radius=0.18))
    rng = np.random.default_rng(seed)
    for _ in range(60):
        start, goal = paths.random_point(rng), paths.random_point(rng)
        assert paths.is_navigable(start, 0.01)
        end = start + 0.5 * rng.normal(size=3) * (1, 0, 1)
        slid, stopped = paths.try_step(start, end), paths.try_step(start, end, sliding=False)
        assert paths.is_navigable(slid) and paths.is_navigable(stopped)
        assert np.linalg.norm(slid - end) <= np.linalg.norm(stopped - end) + 1e-6
        way = paths.way(start, [goal])
        assert way.geodesic >= np.linalg.norm(goal - start) - 1e-5
        assert paths.way(goal, [start]).geodesic == pytest.approx(way.geodesic, rel=0.25) or np.isinf(
            way.geodesic
        )
