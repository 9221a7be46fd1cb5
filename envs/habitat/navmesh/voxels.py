"""From boxes to the cells a body can stand on, as Recast does: surfaces in columns, filtered and eroded.

A box is its six faces: what is hollow stays hollow. A column's surfaces are numbered from below; heights
count cells from the lowest point of the scene, so that a floor seems up to one cell higher than it is.

Source of the rules: Mononen, Recast (habitat-sim's navigation meshes are made by it).
"""

import math
from dataclasses import dataclass

import numpy as np

from envs.errors import EnvError
from envs.habitat.navmesh.settings import NavMeshSettings

STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""The four directions (x, z), each a quarter turn from the last."""
_FAR = 1 << 20
_MOST_VOXELS = 60_000_000


@dataclass(frozen=True)
class Cells:
    """Surfaces to stand on. N of them, ordered by z, x, height."""

    x: np.ndarray  # (N,) int
    z: np.ndarray  # (N,) int
    level: np.ndarray  # (N,) int, height in cells above the lowest point
    beside: np.ndarray  # (N, 4) int, the neighbour in each of STEPS; -1 where there is none
    shape: tuple[int, int]
    """Columns along x and z."""

    def kept(self, which: np.ndarray) -> "Cells":
        """Return those where `which` (N,) holds, as if there were no others."""
        number = np.full(len(which) + 1, -1)
        number[:-1][which] = np.arange(np.count_nonzero(which))
        beside = number[self.beside[which]]
        return Cells(self.x[which], self.z[which], self.level[which], beside, self.shape)


def walkable(low: np.ndarray, high: np.ndarray, settings: NavMeshSettings) -> Cells:
    """Return where a body can stand among boxes.

    Arguments:
        low, high: corners of the boxes, (K, 3) metres, y up.
        settings: the body, and the size of the cells.
    """
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    bottoms, tops, stands = _columns(low, high, settings)
    head = math.ceil(np.float32(settings.agent_height) / np.float32(settings.cell_height))
    climb = math.floor(np.float32(settings.agent_max_climb) / np.float32(settings.cell_height))
    stands = _low_steps(tops, stands, climb)
    ceilings = np.append(bottoms[1:], np.full_like(bottoms[:1], _FAR), 0)
    stands = stands & ~_ledges(bottoms, tops, ceilings, stands, head, climb)
    stands &= ceilings - tops > head
    cells = _joined(tops, ceilings, stands, head, climb)
    radius = math.ceil(np.float32(settings.agent_radius) / np.float32(settings.cell_size))
    return cells.kept(border_distance(cells) >= 2 * radius) if radius else cells


def _columns(
    low: np.ndarray, high: np.ndarray, settings: NavMeshSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what fills each column from below: bottoms, tops and whether one can stand on it, (L, X, Z).

    Columns with fewer than L pieces end with empty ones at `_FAR`.
    """
    origin = low.min(0)
    per = 1 / np.array([settings.cell_size, settings.cell_height, settings.cell_size], np.float32)
    shape = np.maximum(((high.max(0) - origin) * per + np.float32(0.5)).astype(int), 1)
    shape[1] += 2
    if shape.prod(dtype=float) > _MOST_VOXELS:
        raise EnvError(
            f"a scene of {' by '.join(f'{side:.0f}' for side in high.max(0) - origin)} m has too many cells "
            f"of {settings.cell_size:g} m for a navigation mesh: use larger ones, or a smaller scene"
        )
    first, last = (low - origin) * per, (high - origin) * per
    full, stand = np.zeros(shape, bool), np.zeros(shape, bool)
    for a, b in zip(first, last, strict=True):
        x0, x1 = int(a[0]), min(int(b[0]), shape[0] - 1)
        z0, z1 = int(a[2]), min(int(b[2]), shape[2] - 1)
        bottom, top = math.floor(a[1]), max(math.ceil(b[1]), math.floor(b[1]) + 1)
        for x, z in (
            *((x, slice(z0, z1 + 1)) for x in (x0, x1)),
            *((slice(x0, x1 + 1), z) for z in (z0, z1)),
        ):
            full[x, bottom:top, z] = True
        x2 = x1 + (x1 < b[0])  # a face that ends where a cell begins does not reach into it
        z2 = z1 + (z1 < b[2])
        lid = math.floor(b[1])
        full[x0:x2, lid:top, z0:z2] = True
        stand[x0:x2, top - 1, z0:z2] = True
        full[x0:x2, bottom : max(math.ceil(a[1]), bottom + 1), z0:z2] = True
    return _runs(full, stand)


def _runs(full: np.ndarray, stand: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    full, stand = full.transpose(0, 2, 1), stand.transpose(0, 2, 1)  # (X, Z, Y)
    edge = np.zeros((*full.shape[:2], 1), bool)
    begins = full & ~np.concatenate([edge, full[..., :-1]], -1)
    ends = full & ~np.concatenate([full[..., 1:], edge], -1)
    layers = max(int(begins.sum(-1).max()), 1)
    bottoms = np.full((layers, *full.shape[:2]), _FAR)
    tops, stands = bottoms.copy(), np.zeros(bottoms.shape, bool)
    near = stand | np.concatenate([edge, stand[..., :-1]], -1)  # a lid one cell below the top counts
    for places, out, values in ((begins, bottoms, None), (ends, tops, 1), (ends, stands, near)):
        x, z, y = np.nonzero(places)
        layer = (np.cumsum(places, -1) - 1)[x, z, y]
        if out is stands:
            out[layer, x, z] = values[x, z, y]
        else:
            out[layer, x, z] = y + (values or 0)
    return bottoms, tops, stands


def _low_steps(tops: np.ndarray, stands: np.ndarray, climb: int) -> np.ndarray:
    """What is not higher than a step above something to stand on can be stood on."""
    found = stands.copy()
    for layer in range(1, len(tops)):
        found[layer] |= (
            ~stands[layer]
            & stands[layer - 1]
            & (tops[layer] - tops[layer - 1] <= climb)
            & (tops[layer] < _FAR)
        )
    return found


def _shifted(layer: np.ndarray, step: tuple[int, int], outside: int | bool) -> np.ndarray:
    """Return (X, Z) with each column's neighbour in its place."""
    moved = np.full_like(layer, outside)
    (dx, dz), (nx, nz) = step, layer.shape
    here = slice(max(-dx, 0), nx - max(dx, 0)), slice(max(-dz, 0), nz - max(dz, 0))
    there = slice(max(dx, 0), nx - max(-dx, 0)), slice(max(dz, 0), nz - max(-dz, 0))
    moved[here] = layer[there]
    return moved


def _ledges(
    bottoms: np.ndarray, tops: np.ndarray, ceilings: np.ndarray, stands: np.ndarray, head: int, climb: int
) -> np.ndarray:
    """Return which surfaces end at a drop or lie on a slope that is too steep, (L, X, Z)."""
    found = np.zeros_like(stands)
    for layer in range(len(tops)):
        floor, roof = tops[layer], ceilings[layer]
        lowest = np.full(floor.shape, _FAR)
        least, most = floor.copy(), floor.copy()
        for step in STEPS:
            inside = _shifted(np.ones_like(floor), step, 0).astype(bool)
            ground = np.minimum(roof, _shifted(bottoms[0], step, _FAR)) - np.maximum(floor, -climb) > head
            lowest = np.where(~inside | ground, np.minimum(lowest, -climb - floor), lowest)
            for other in range(len(tops)):
                there, above = _shifted(tops[other], step, _FAR), _shifted(ceilings[other], step, _FAR)
                fits = (there < _FAR) & (np.minimum(roof, above) - np.maximum(floor, there) > head)
                lowest = np.where(fits, np.minimum(lowest, there - floor), lowest)
                steps = fits & (np.abs(there - floor) <= climb)
                least = np.where(steps, np.minimum(least, there), least)
                most = np.where(steps, np.maximum(most, there), most)
        found[layer] = (lowest < -climb) | (most - least > climb)
    return found & stands


def _joined(tops: np.ndarray, ceilings: np.ndarray, stands: np.ndarray, head: int, climb: int) -> Cells:
    """Number the surfaces and find the neighbours that a body can step to."""
    order = stands.transpose(2, 1, 0)  # by z, x, layer
    number = np.full(order.shape, -1)
    number[order] = np.arange(np.count_nonzero(order))
    number = number.transpose(2, 1, 0)
    z, x, layer = np.nonzero(order)
    floor, roof = tops[layer, x, z], ceilings[layer, x, z]
    beside = np.full((len(x), 4), -1)
    for k, step in enumerate(STEPS):
        for other in range(len(tops)):
            there = _shifted(number[other], step, -1)[x, z]
            height = _shifted(tops[other], step, _FAR)[x, z]
            above = _shifted(ceilings[other], step, _FAR)[x, z]
            fits = (there >= 0) & (np.minimum(roof, above) - np.maximum(floor, height) >= head)
            fits &= (np.abs(height - floor) <= climb) & (beside[:, k] < 0)
            beside[fits, k] = there[fits]
    return Cells(x, z, floor, beside, tops.shape[1:])


def border_distance(cells: Cells) -> np.ndarray:
    """Return how far each cell is from the border, 2 for a side and 3 for a corner crossed; (N,)."""
    distance = np.where((cells.beside < 0).any(1), 0, _FAR)
    beside = cells.beside
    corners = [
        np.where(beside[:, k] >= 0, beside[beside[:, k], (k + turn) % 4], -1)
        for k in range(4)
        for turn in (1, 3)
    ]
    ways = [(beside[:, k], 2) for k in range(4)] + [(corner, 3) for corner in corners]
    while True:
        padded = np.append(distance, 2 * _FAR)
        best = distance
        for place, cost in ways:
            best = np.minimum(best, padded[place] + cost)
        if (best == distance).all():
            return distance
        distance = best
