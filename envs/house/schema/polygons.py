"""Rectilinear polygons on the floor: what is wrong with one, its area, and its rectangles."""

import itertools
from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]
_CLOSE = 1e-3
"""Metres within which two coordinates are one."""


def flaw(ring: Sequence[Point]) -> str | None:
    """Return what is wrong with an open ring as a floor, None if nothing."""
    corners = without_doubles(ring)
    if len(corners) < 4:
        return "must have at least four corners"
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    for (x0, z0), (x1, z1) in sides:
        if min(abs(x1 - x0), abs(z1 - z0)) > _CLOSE:
            return "must have sides along x and z; turn the house until its walls do"
    for i, first in enumerate(sides):
        for j in range(i + 2, len(sides)):
            if (i or j < len(sides) - 1) and _meet(first, sides[j]):
                return "crosses or touches itself"
    if abs(signed_area(corners)) < 0.05:
        return "covers less than 0.05 m²"
    return None


def without_doubles(ring: Sequence[Point]) -> list[Point]:
    """Return the ring without corners that repeat the one before."""
    kept: list[Point] = []
    for x, z in ring:
        if not kept or max(abs(x - kept[-1][0]), abs(z - kept[-1][1])) > _CLOSE:
            kept.append((x, z))
    if len(kept) > 1 and max(abs(kept[0][0] - kept[-1][0]), abs(kept[0][1] - kept[-1][1])) <= _CLOSE:
        kept.pop()
    return kept


def _meet(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether two axis-parallel sides have a point in common."""
    return all(
        min(first[0][axis], first[1][axis]) <= max(second[0][axis], second[1][axis]) + _CLOSE / 2
        and min(second[0][axis], second[1][axis]) <= max(first[0][axis], first[1][axis]) + _CLOSE / 2
        for axis in (0, 1)
    )


def signed_area(ring: Sequence[Point]) -> float:
    """Return the area in m², negative for a ring that runs clockwise from above (x right, z up)."""
    points = np.asarray(ring, float)
    following = np.roll(points, -1, axis=0)
    return float(np.sum(points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]) / 2)


def contains(ring: Sequence[Point], points: np.ndarray) -> np.ndarray:
    """Return for points (N, 2) whether they lie inside; bool (N,). The border belongs to either side."""
    corners = np.asarray(ring, float)
    ends = np.roll(corners, -1, axis=0)
    x, z = np.asarray(points, float).T[:, :, None]  # each (N, 1)
    (x0, z0), (x1, z1) = corners.T, ends.T  # each (K,)
    crosses = (z0 > z) != (z1 > z)  # (N, K)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (z - z0) * (x1 - x0) / (z1 - z0)
    return np.count_nonzero(crosses & (x < at), axis=1) % 2 == 1


def rectangles(ring: Sequence[Point]) -> list[tuple[Point, Point]]:
    """Cut a floor into rectangles (low corner, high corner) that meet without overlap.

    Rows between neighbouring z coordinates, each run of inside cells joined, equal runs of neighbouring rows
    joined too.
    """
    corners = without_doubles(ring)
    xs, zs = (_distinct([corner[axis] for corner in corners]) for axis in (0, 1))
    middles = np.array([((a + b) / 2, (c + d) / 2) for c, d in _pairs(zs) for a, b in _pairs(xs)])
    inside = contains(corners, middles).reshape(len(zs) - 1, len(xs) - 1)
    found: list[tuple[Point, Point]] = []
    open_runs: dict[tuple[float, float], float] = {}  # (x from, x to) → z where it began
    for row in range(len(zs)):
        runs = _runs(inside[row], xs) if row < len(zs) - 1 else []
        for run in [each for each in open_runs if each not in runs]:
            found.append(((run[0], open_runs.pop(run)), (run[1], zs[row])))
        for run in runs:
            open_runs.setdefault(run, zs[row])
    return found


def _distinct(values: Sequence[float]) -> list[float]:
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > _CLOSE:
            kept.append(value)
    return kept


def _pairs(values: Sequence[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(values))


def _runs(inside: np.ndarray, xs: Sequence[float]) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    return [(xs[a], xs[b]) for a, b in edges.reshape(-1, 2)]
