"""Outlines of regions with few corners: along cells, then straightened as far as an error allows.

Source: Mononen, Recast; Douglas & Peucker 1973 for straightening.
"""

import math
from dataclasses import dataclass

import numpy as np

from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.navmesh.voxels import Cells

_CORNERS = ((0, 1), (1, 1), (1, 0), (0, 0))
"""The corner of a cell where its side in each of STEPS ends, walking with the region to the right."""


@dataclass(frozen=True)
class Contour:
    """A closed line around a region, or around a hole in one."""

    region: int
    corners: np.ndarray  # (N, 3) int: x and z in cells, and the height there
    beyond: np.ndarray  # (N,) int, the region across the edge that starts at each corner; 0 for a wall


def contours(cells: Cells, region: np.ndarray, settings: NavMeshSettings) -> list[Contour]:
    """Return the outlines of all regions and of their holes; holes run the other way round."""
    longest = settings.edge_max_len / settings.cell_size
    other = np.append(region, 0)[cells.beside]  # (N, 4)
    edges = (other != region[:, None]) & (region > 0)[:, None]
    found = []
    for cell in np.flatnonzero(edges.any(1)):
        while edges[cell].any():
            points, heights, beyond = _traced(cells, other, edges, int(cell))
            kept = _straightened(points, beyond, settings.edge_max_error, longest)
            after = [(k + 1) % len(points) for k in kept]
            corners = np.array([(*points[k], heights[k]) for k in kept])
            kinds = np.array([beyond[k] for k in after])
            corners, kinds = _without_twins(corners, kinds)
            if len(corners) >= 3:
                found.append(Contour(int(region[cell]), corners, kinds))
    return found


def _traced(
    cells: Cells, other: np.ndarray, edges: np.ndarray, start: int
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Walk along the edges from a cell once around, and take them out.

    Returns points, their heights, and what lies beyond the edge that ends at each.
    """
    here = start
    way = first = int(edges[start].argmax())
    points, heights, beyond = [], [], []
    while True:
        if edges[here, way]:
            dx, dz = _CORNERS[way]
            points.append((int(cells.x[here]) + dx, int(cells.z[here]) + dz))
            heights.append(_height(cells, here, way))
            beyond.append(int(other[here, way]))
            edges[here, way] = False
            way = (way + 1) % 4
        else:
            here, way = int(cells.beside[here, way]), (way + 3) % 4
        if (here, way) == (start, first):
            return points, heights, beyond


def _height(cells: Cells, cell: int, way: int) -> int:
    """The height of the highest of the cells around a corner."""
    around, turned = [cell], (way + 1) % 4
    for first, second in ((way, turned), (turned, way)):
        side = int(cells.beside[cell, first])
        if side >= 0:
            around += [side, int(cells.beside[side, second])]
    return max(int(cells.level[each]) for each in around if each >= 0)


def _straightened(
    points: list[tuple[int, int]], beyond: list[int], error: float, longest: float
) -> list[int]:
    """Return the numbers of the points that are kept, in order."""
    count = len(points)
    kept = [k for k in range(count) if beyond[k] != beyond[(k + 1) % count]]
    if not kept:
        kept = [points.index(min(points)), points.index(max(points))]
    table = np.array(points, float)
    place = 0
    while place < len(kept):
        a, b = kept[place], kept[(place + 1) % len(kept)]
        between = _between(points, a, b)
        if between and (beyond[between[0]] == 0):
            first, last = (a, b) if points[b] > points[a] else (b, a)
            away = _squared(table[between], table[first], table[last])
            furthest = int(away.argmax())
            if away[furthest] > error * error:
                kept.insert(place + 1, between[furthest])
                continue
        place += 1
    place = 0
    while longest > 0 and place < len(kept):
        a, b = kept[place], kept[(place + 1) % len(kept)]
        steps = (b - a) % count
        if steps > 1 and beyond[(a + 1) % count] == 0 and math.dist(points[a], points[b]) > longest:
            forward = points[b] > points[a]
            kept.insert(place + 1, (a + (steps if forward else steps + 1) // 2) % count)
            continue
        place += 1
    return kept


def _between(points: list[tuple[int, int]], a: int, b: int) -> list[int]:
    """The points between two kept ones, from the one that is first by x, then z."""
    count = len(points)
    steps = (b - a) % count or count
    found = [(a + k) % count for k in range(1, steps)]
    return found if points[b] > points[a] else found[::-1]


def _squared(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of points (N, 2) to a segment."""
    way = b - a
    share = np.clip((points - a) @ way / max(way @ way, 1e-9), 0, 1)
    return ((a + share[:, None] * way - points) ** 2).sum(1)


def _without_twins(corners: np.ndarray, beyond: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    differ = (corners[:, :2] != np.roll(corners[:, :2], -1, 0)).any(1)
    return corners[differ], beyond[differ]
