"""Which grid cell shows which body from above: the grid that spawning and the expert work on.

Unusual: computed from outlines, without rendering. The benchmark bins the pixels of a 480 × 640 top camera
(1.587 mm a pixel) into cells of 3.125 mm; the same sample points are taken here, so a cell is occupied when
one of its about four points hits a body, and the body with the highest top wins. Refuses to know tasks and
MuJoCo.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

import numpy as np

from envs.vima.table.spawning import CELL_M, GRID_SHAPE
from envs.vima.things.objects import OBJECTS
from envs.vima.things.outlines import convex_hull, outline

ROWS, COLUMNS = GRID_SHAPE
"""u runs along y from -0.5, v along x from 0.25."""

UPRIGHT = math.cos(math.radians(5))
"""Cosine of the tilt up to which an outline stays an outline."""
_PIXEL = 1 / 630.0
_MASK_STEP = 0.0002

_NEARER = 1 - 3e-5
"""Bodies are a few centimetres nearer to the camera, 1 km up, than the plane its pixels are measured on. Only
the sign counts: a pixel on the border of two cells belongs to the one towards the middle of the picture.
"""
_TIE = 1e-9
"""The two middle lines lie on a border whatever the height; the benchmark's sums round them this way."""

# the camera's pixels over the workspace: the cell each is binned to, and the world point it really shows
_row = np.arange(480)
_column = np.arange(640)
_v_of_row = np.floor((0.25 + (_row - 240) * _PIXEL * _NEARER) / CELL_M + _TIE).astype(int)
_u_of_column = np.floor((0.5 + (_column - 320) * _PIXEL * _NEARER) / CELL_M - _TIE).astype(int)
_row_ok = (_v_of_row >= 0) & (_v_of_row < COLUMNS)
_column_ok = (_u_of_column >= 0) & (_u_of_column < ROWS)
_V, _U = _v_of_row[_row_ok], _u_of_column[_column_ok]
_X, _Y = 0.5 + (_row[_row_ok] - 239) * _PIXEL, (_column[_column_ok] - 320) * _PIXEL


_OUT, _IN, _BORDER = 0, 1, 2


@functools.lru_cache(maxsize=64)
def _mask(name: str, size: tuple[float, float, float]) -> tuple[np.ndarray, float, float]:
    """A type's outline as a picture of 0.2 mm, uint8 (y, x): out, in, or on the border, where only its edges
    can tell; and the x and y of its corner (metres).
    """
    polygons = outline(name, size)
    points = np.concatenate(polygons)
    low = points.min(0) - 2 * _MASK_STEP
    columns, rows = np.ceil((points.max(0) + 2 * _MASK_STEP - low) / _MASK_STEP).astype(int).tolist()
    inside = np.zeros((rows, columns), bool)
    for polygon in polygons:
        corners = (polygon - low) / _MASK_STEP - 0.5
        column, row = np.floor(corners.min(0)).astype(int)
        right, under = np.ceil(corners.max(0)).astype(int)
        box = inside[row : under + 1, column : right + 1]
        box |= _filled(corners - (column, row), *box.shape)
    kinds = inside.view(np.uint8)
    around = np.zeros_like(kinds)  # how many of a point and its eight neighbours are in; the rim is not
    three = kinds[:, :-2] + kinds[:, 1:-1] + kinds[:, 2:]
    around[1:-1, 1:-1] = three[:-2] + three[1:-1] + three[2:]
    kinds[(around > 0) & (around < 9)] = _BORDER
    return kinds, float(low[0]), float(low[1])


def _filled(corners: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Whether whole-numbered points (column, row) lie in a polygon: bool (rows, columns)."""
    crossings = np.zeros((rows, columns + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, 0), strict=True):
        row = np.arange(math.ceil(min(y0, y1)), math.ceil(max(y0, y1)))
        if len(row):
            crossings[row, np.ceil(x0 + (row - y0) * (x1 - x0) / (y1 - y0)).astype(int)] += 1
    return (np.cumsum(crossings[:, :columns], axis=1, dtype=np.uint8) & 1).view(bool)


@functools.lru_cache(maxsize=64)
def _edges(name: str, size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """An outline's edges, x0, y0, y1 and dx / dy of each (4, edges, 1), and where each polygon's begin."""
    polygons = outline(name, size)
    start, end = np.concatenate(polygons), np.concatenate([np.roll(p, -1, 0) for p in polygons])
    (x0, y0), (x1, y1) = start.T, end.T
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    first = np.cumsum([0, *(len(polygon) for polygon in polygons[:-1])])
    return np.stack([x0, y0, y1, slope])[..., None], first


def _in_outline(name: str, size: tuple[float, float, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points (n,) lie in an outline, exactly: an odd number of a polygon's edges is to their left."""
    (x0, y0, y1, slope), first = _edges(name, size)
    crossed = ((y0 > y) != (y1 > y)) & (x > x0 + (y - y0) * slope)  # (edges, n)
    return np.logical_xor.reduceat(crossed, first, axis=0).any(0)


def _is_rectangle(polygon: np.ndarray) -> bool:
    return len(polygon) == 4 and all(len(np.unique(polygon[:, axis])) == 2 for axis in (0, 1))


@functools.lru_cache(maxsize=512)
def _rectangles(name: str, size: tuple[float, float, float]) -> tuple[list[float], ...] | None:
    """The outline as (x low, y low, x high, y high) boxes, None when it is not made of boxes."""
    polygons = outline(name, size)
    if not all(map(_is_rectangle, polygons)):
        return None
    return tuple([*polygon.min(0).tolist(), *polygon.max(0).tolist()] for polygon in polygons)


def _covers(name: str, size: tuple[float, float, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points of the object's frame (metres, same shapes) lie in its outline."""
    boxes = _rectangles(name, size)
    if boxes is not None:
        inside = np.zeros(x.shape, bool)
        for x0, y0, x1, y1 in boxes:
            inside |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        return inside
    mask, x0, y0 = _mask(name, size)
    height, width = mask.shape
    column = ((x - x0) * (1 / _MASK_STEP)).astype(np.int32)
    row = ((y - y0) * (1 / _MASK_STEP)).astype(np.int32)
    inside = (column.view(np.uint32) < width) & (row.view(np.uint32) < height)  # below 0 is very much there
    row *= width
    row += column
    kind = mask.ravel().take(row, mode="clip")
    kind *= inside  # _OUT elsewhere
    covered, unsure = kind == _IN, np.nonzero(kind == _BORDER)
    if len(unsure[0]):
        covered[unsure] = _in_outline(name, size, x[unsure], y[unsure])
    return covered


def covered_cells(
    name: str,
    size: tuple[float, float, float],
    scale: tuple[float, float, float],
    position: np.ndarray,
    rotation: np.ndarray,
) -> np.ndarray:
    """Return the flat indices (u · 160 + v) of cells an object covers at a pose (rotation matrix 3 × 3)."""
    if OBJECTS[name].extrusion_scale is not None:
        size = OBJECTS[name].size_high  # the drawn size does not shape extruded types
    if abs(rotation[2, 2]) < UPRIGHT:
        return _leaning_cells(name, size, scale, position, rotation)
    planar = rotation[:2, :2] * np.asarray(scale[:2])
    reach = np.abs(planar) @ half_extents(name, size) + _PIXEL
    (a, b), (c, d) = np.linalg.inv(planar)

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        dx, dy = x - position[0], y - position[1]
        return _covers(name, size, a * dx + b * dy, c * dx + d * dy)

    return _cells_where(inside, position[:2] - reach, position[:2] + reach)


def _cells_where(
    inside: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The cells of the sample points between two corners for which `inside(x, y)` holds; x is a column."""
    rows = slice(*np.searchsorted(_X, (low[0], high[0])))
    columns = slice(*np.searchsorted(_Y, (low[1], high[1])))
    row, column = np.nonzero(inside(_X[rows][:, None], _Y[columns][None]))
    return _U[columns][column] * COLUMNS + _V[rows][row]


def _leaning_cells(
    name: str,
    size: tuple[float, float, float],
    scale: tuple[float, float, float],
    position: np.ndarray,
    rotation: np.ndarray,
) -> np.ndarray:
    """The cells under a prism that leans or lies on its side: under the hull of each of its parts."""
    kind = OBJECTS[name]
    low, high = (0.0, kind.height) if kind.extrusion_scale is not None else (-size[2] / 2, size[2] / 2)
    cells = []
    for polygon in outline(name, size):
        ends = [np.column_stack([polygon, np.full(len(polygon), z)]) for z in (low, high)]
        corners = position[:2] + (np.concatenate(ends) * scale @ rotation.T)[:, :2]
        hull = convex_hull(corners)
        cells.append(_cells_where(functools.partial(_in_hull, hull), hull.min(0), hull.max(0)))
    return np.unique(np.concatenate(cells))


def _in_hull(hull: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie to the left of every side of a convex polygon, counter-clockwise."""
    (x0, y0), (dx, dy) = hull.T[..., None, None], (np.roll(hull, -1, 0) - hull).T[..., None, None]
    return (dx * (y - y0) >= dy * (x - x0)).all(0)


@functools.lru_cache(maxsize=512)
def half_extents(name: str, size: tuple[float, float, float]) -> np.ndarray:
    """How far an outline reaches from its origin along x and y, in metres."""
    return np.abs(np.concatenate(outline(name, size))).max(0)


def silhouette(layers: Iterable[tuple[float, int, np.ndarray]]) -> np.ndarray:
    """Stack (top height, id, covered cells) layers: int16 (320, 160) grid of ids, 0 where the table shows."""
    grid = np.zeros(ROWS * COLUMNS, np.int16)
    for _, body, cells in sorted(layers, key=lambda layer: layer[:2]):
        grid[cells] = body
    return grid.reshape(ROWS, COLUMNS)
