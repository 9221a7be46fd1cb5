"""Finding free places on the table, draw for draw as VIMA-Bench does it.

A pose costs exactly two doubles of the generator (cell, yaw), a size three, so objects, textures and angles
of a seed do not depend on geometry; only positions after the first do, through the grid of occupied cells.

This module knows a grid and numbers; which objects exist and who owns the generator is the caller's business.
"""

import math

import numpy as np

from envs.poses import Pose, Vector, yaw_quaternion

CELL_M = 0.003125
GRID_SHAPE = (320, 160)  # rows along y, columns along x
LOW_XY = (0.25, -0.5)
HIGH_XY = (0.75, 0.5)
HOLLOW_BASES = ("frame", "square")
"""Bases whose inside looks free from above, so that spacing must be checked by their nominal size."""


def cell_position(row: int, column: int) -> tuple[float, float]:
    """Return the world (x, y) of a cell's lower edge."""
    return LOW_XY[0] + column * CELL_M, LOW_XY[1] + row * CELL_M


def free_cells(grid: np.ndarray, size: Vector) -> np.ndarray:
    """Return the flat indices of cells where an object of nominal `size` fits.

    `grid` is (320, 160), 0 where nothing is seen from above. A cell is free when the whole square window
    around it is, the window's side being the diagonal of the object; the outermost ring of the table is never
    free. All cells are looked at together, as the bits of one number.
    """
    rows, columns = grid.shape
    window = max(round(math.hypot(size[0], size[1]) / CELL_M), 1)
    before, wide = window // 2, columns + window - 1
    occupied = np.zeros((rows + window - 1, wide), bool)  # an even window reaches one cell further back
    table = occupied[before : before + rows, before : before + columns]
    np.not_equal(grid, 0, out=table)
    table[0], table[-1], table[:, 0], table[:, -1] = True, True, True, True
    bits = int.from_bytes(np.packbits(occupied, bitorder="little").tobytes(), "little")
    bits = _joined(_joined(bits, window, 1), window, wide)
    seen = np.frombuffer(bits.to_bytes(-(-occupied.size // 8), "little"), np.uint8)
    seen = np.unpackbits(seen, count=occupied.size, bitorder="little").reshape(occupied.shape)
    return np.flatnonzero(seen[:rows, :columns] == 0)


def _joined(bits: int, window: int, stride: int) -> int:
    """Set every bit from which one of `window` bits, each `stride` further up, is set.

    Spans of 1, 2, 4 … bits are joined, the last two overlap.
    """
    span = 1
    while span < window:
        step = min(span, window - span)
        bits |= bits >> step * stride
        span += step
    return bits


def draw_pose(grid: np.ndarray, size: Vector, rng: np.random.Generator) -> Pose | None:
    """Draw a pose for an object of nominal `size`, or None (and no draw) when no cell is free."""
    cells = free_cells(grid, size)
    if len(cells) == 0:
        return None
    cell = cells[min(int(rng.random() * len(cells)), len(cells) - 1)]
    row, column = divmod(int(cell), grid.shape[1])
    x, y = cell_position(row, column)
    return Pose((x, y, size[2] / 2), yaw_quaternion(2 * math.pi * rng.random()))


def too_close(first: Vector, first_size: Vector, second: Vector, second_size: Vector) -> bool:
    """Tell whether two centres are nearer than their un-rotated nominal sizes allow, with 1 cm to spare."""
    reach = max((first_size[0] + second_size[0]) / 2, (first_size[1] + second_size[1]) / 2)
    return math.dist(first[:2], second[:2]) <= reach + 0.01


def in_workspace(position: Vector) -> bool:
    """Tell whether a centre is over the work mat (0.5 × 1 m)."""
    return all(low <= value <= high for low, value, high in zip(LOW_XY, position[:2], HIGH_XY, strict=True))
