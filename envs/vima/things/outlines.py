"""Top-view outlines of every object type, as unions of star-shaped polygons in the object's own frame
(metres).

Unusual: a shape is a list of polygons that may overlap (a letter is its strokes), so that no triangulation
with holes is needed: holes are what no polygon covers. Every polygon must see all of its corners from its
mean point. Refuses to know heights' use, textures and MuJoCo.

Sources: VIMA-Bench's published outline vertices and extents; letters, heart, pan and flower are drawn here,
stroke by stroke, to cover what its pictures show covered.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from envs.vima.things.objects import OBJECTS

Polygon = np.ndarray  # (corners, 2) metres, counter-clockwise
Corner = tuple[float, float]


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> list[Corner]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _disc(radius: float, corners: int = 32, centre: tuple[float, float] = (0.0, 0.0)) -> list[Corner]:
    angles = np.arange(corners) * 2 * math.pi / corners
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def _arc(
    centre: tuple[float, float],
    inner: tuple[float, float],
    outer: tuple[float, float],
    start: float,
    end: float,
    parts: int,
) -> list[list[Corner]]:
    """A curved stroke between two ellipses (half axes x, y) from one angle to another, as quadrilaterals."""

    def at(axes: tuple[float, float], angle: float) -> tuple[float, float]:
        return centre[0] + axes[0] * math.cos(angle), centre[1] + axes[1] * math.sin(angle)

    angles = np.linspace(start, end, parts + 1)
    return [[at(inner, a), at(outer, a), at(outer, b), at(inner, b)] for a, b in itertools.pairwise(angles)]


def _mirrored(half: list[Corner]) -> list[Corner]:
    """Close a line that runs from the y axis to the y axis with its mirror image."""
    return half + [(-x, y) for x, y in half[-2:0:-1]]


def _band(inner: list[Corner], outer: list[Corner]) -> list[list[Corner]]:
    """A stroke between two lines with equally many corners, as quadrilaterals."""
    pairs = itertools.pairwise(zip(inner, outer, strict=True))
    return [[a, b, d, c] for (a, b), (c, d) in pairs]


_HEART = [
    (0.0, 6.08), (0.29, 6.7), (0.8, 7.27), (1.35, 7.76), (1.94, 8.13), (2.44, 8.45),
    (3.15, 8.6), (3.53, 8.68), (4.06, 8.8), (5.0, 8.665), (5.995, 8.55), (6.67, 8.295),
    (7.38, 7.93), (7.92, 7.57), (8.71, 6.69), (8.97, 6.15), (9.29, 5.45), (9.42, 4.45),
    (9.57, 3.11), (9.5, 2.26), (9.35, 1.03), (9.07, 0.255), (8.645, -0.61), (7.74, -1.79),
    (6.9, -2.915), (6.2, -3.61), (5.65, -4.11), (4.99, -4.71), (4.38, -5.28), (3.82, -5.8),
    (3.1, -6.37), (2.36, -6.94), (1.615, -7.535), (0.705, -8.24), (0.0, -8.8),
]  # fmt: skip
"""Half of it, from the cleft to the tip."""


def _letter_a() -> list[list[Corner]]:
    """Two legs that meet under a flat top, and a bar."""
    return [
        [(-8.31, -9.33), (-4.5, -9.49), (-2.59, -4.17), (-1.52, -0.66), (0, 3.2), (0, 9.49), (-1.6, 9.5)],
        [(8.31, -9.33), (4.47, -9.49), (2.58, -4.19), (1.5, -0.66), (0, 3.2), (0, 9.49), (1.6, 9.48)],
        [(-2.59, -4.17), (2.61, -4.17), (1.5, -0.66), (-1.52, -0.66)],
    ]


def _letter_g() -> list[list[Corner]]:
    """A bent stroke that is open to the right, a spur and a bar."""
    outer = [
        (7.55, 8.24), (6.58, 8.7), (5.3, 9.18), (4.44, 9.4), (3.35, 9.6), (2.22, 9.69), (1.05, 9.685),
        (-0.11, 9.56), (-1.335, 9.32), (-2.59, 8.855), (-3.77, 8.22), (-4.61, 7.55), (-5.49, 6.68),
        (-6.33, 5.4), (-7.005, 3.81), (-7.35, 2.51), (-7.54, 0.99), (-7.56, -0.33), (-7.46, -1.87),
        (-7.12, -3.62), (-6.525, -5.24), (-5.85, -6.42), (-5.05, -7.41), (-4.1, -8.195), (-3.245, -8.77),
        (-2.09, -9.24), (-0.985, -9.55), (0.15, -9.66), (1.47, -9.72), (2.69, -9.62), (3.91, -9.52),
        (6.08, -9.06), (7.53, -8.62),
    ]  # fmt: skip
    inner = [
        (6.01, 4.79), (5.265, 5.1), (4.38, 5.48), (3.75, 5.68), (2.88, 5.9), (2.15, 6.01), (1.38, 6.03),
        (0.37, 5.93), (-0.37, 5.75), (-1.09, 5.44), (-1.79, 4.93), (-2.36, 4.31), (-2.82, 3.55),
        (-3.13, 2.78), (-3.37, 1.85), (-3.43, 1.32), (-3.52, 0.36), (-3.51, -0.48), (-3.46, -1.28),
        (-3.29, -2.37), (-2.97, -3.37), (-2.64, -4.02), (-2.28, -4.56), (-1.67, -5.16), (-0.87, -5.62),
        (-0.245, -5.83), (0.47, -5.975), (1.33, -6.04), (2.345, -6.04), (3.12, -5.94), (3.95, -5.85),
        (4.65, -5.51), (5.2, -5.2),
    ]  # fmt: skip
    spur = [(3.63, -5.9), (7.56, -8.67), (7.56, 1.35), (3.63, 1.35)]
    return [*_band(inner, outer), spur, _rectangle(0.15, -2.325, 7.56, 1.35)]


def _letter_m() -> list[list[Corner]]:
    """Two stems, and two slanted strokes that meet at the foot."""
    return [
        _rectangle(-9.0, -9.46, -5.08, 9.46),
        _rectangle(5.07, -9.46, 9.0, 9.46),
        [(0, -9.46), (-1.67, -9.46), (-8.015, 9.46), (-4.11, 9.46), (-0.01, -2.84)],
        [(0, -9.46), (1.37, -9.46), (7.975, 9.46), (4.26, 9.46), (-0.01, -2.84)],
    ]


def _letter_r() -> list[list[Corner]]:
    """A stem, two bars, a bow that joins them, a leg."""
    outer = [
        (-0.21, -1.92), (1.14, -1.7), (2.59, -1.14), (3.76, -0.24), (4.65, 0.92), (5.14, 2.3), (5.27, 3.69),
        (5.1, 5.32), (4.6, 6.72), (3.64, 7.92), (2.44, 8.66), (1.0, 9.18), (-0.39, 9.41),
    ]  # fmt: skip
    inner = [
        (-0.55, 1.35), (-0.1, 1.45), (0.39, 1.67), (0.74, 1.93), (1.03, 2.44), (1.18, 3.05), (1.23, 3.55),
        (1.18, 4.17), (1.06, 4.69), (0.78, 5.16), (0.37, 5.46), (-0.06, 5.65), (-0.78, 5.8),
    ]  # fmt: skip
    return [
        _rectangle(-6.753, -9.46, -2.838, 9.46),
        [(-6.75, 5.91), (-0.22, 5.83), (-0.4, 9.45), (-6.75, 9.46)],
        [(-6.75, -2.37), (-0.1, -2.35), (-0.31, 1.24), (-6.75, 1.23)],
        *_band(inner, outer),
        [(2.61, -9.46), (6.75, -9.19), (2.14, -1.22), (-1.53, -2.34)],
    ]


def _letter_v() -> list[list[Corner]]:
    return [
        [(-7.85, 9.375), (-3.89, 9.44), (-0.02, -2.745), (0, -9.46), (-1.74, -9.46)],
        [(7.847, 9.37), (3.85, 9.43), (-0.02, -2.745), (0, -9.46), (1.71, -9.447)],
    ]


_STAR = [
    (9.59, 0.0), (3.28, 3.12), (2.26, 10.08), (-2.65, 5.04), (-9.59, 6.23),
    (-6.31, 0.0), (-9.59, -6.23), (-2.65, -5.04), (2.26, -10.08), (3.28, -3.12),
]  # fmt: skip

# outline units (× 0.003·k metres)
_UNITS: dict[str, list[list[Corner]]] = {
    "letter A": _letter_a(),
    "letter E": [
        _rectangle(-5.326, -9.458, -1.41, 9.458),
        _rectangle(-5.326, 5.786, 5.326, 9.458),
        _rectangle(-5.326, -1.455, 4.878, 2.218),
        _rectangle(-5.326, -9.458, 5.326, -5.802),
    ],
    "letter G": _letter_g(),
    "letter M": _letter_m(),
    "letter R": _letter_r(),
    "letter T": [_rectangle(4, -10, 10, 10), _rectangle(-10, -3, 4, 3)],
    "letter V": _letter_v(),
    "cross": [_rectangle(-10, -5, 10, 5), _rectangle(-5, -10, 5, 10)],
    "diamond": [[(12.5, 0), (0, 10), (-12.5, 0), (0, -10)]],
    "triangle": [[(0, -10), (10, 10), (-10, 10)]],
    "flower": [_disc(5.0, 52, c) for c in ((5, 0), (-5, 0), (0, 5), (0, -5))]
    + [_rectangle(-4.2, -4.2, 4.2, 4.2)],
    "heart": [_mirrored(_HEART)],
    "hexagon": [[(0, 10), (-8.66, 5), (-8.66, -5), (0, -10), (8.66, -5), (8.66, 5)]],
    "pentagon": [[(0, -9.06), (9.53, -2.14), (5.89, 9.06), (-5.89, 9.06), (-9.53, -2.14)]],
    "L-shaped block": [_rectangle(-10, -10, -4, 10), _rectangle(-10, -10, 10, -4)],
    "ring": _arc((0, 0), (4.235, 4.235), (10, 10), 0.0, 2 * math.pi, 64),
    "round": [_disc(10, 64)],
    "star": [_STAR],
}

PALLET_SLATS = (
    (-0.6, -0.46),
    (-0.39, -0.29),
    (-0.22, -0.12),
    (-0.05, 0.05),
    (0.12, 0.22),
    (0.29, 0.39),
    (0.46, 0.6),
)
"""Where the pallet's seven slats lie along x, in units of 0.175 m."""
PALLET_STRINGERS = ((-0.5, -0.46), (-0.02, 0.02), (0.46, 0.5))
"""Where its three stringers lie along y, in units of 0.175 m."""

BAR_WIDTH = 0.04
CONTAINER_WALL = 0.002
BOWL_RADIUS = 0.1002
PAN_RADIUS = 0.0842
PAN_CENTRE = (-0.00115, -0.0007)
PAN_NECK = [
    (0.0802, -0.0072), (0.0924, -0.0096), (0.1085, -0.0084), (0.1671, -0.0083),
    (0.1690, 0.0176), (0.1303, 0.0162), (0.1148, 0.0143), (0.0914, 0.0152), (0.0795, 0.0121),
]  # fmt: skip
PAN_GRIP = [
    (0.1690, 0.0178), (0.1794, 0.0172), (0.1955, 0.0160), (0.2057, 0.0123), (0.2087, 0.0059),
    (0.2059, -0.0004), (0.1944, -0.0048), (0.1791, -0.0066), (0.1665, -0.0083),
]  # fmt: skip
"""The handle's end, around the hole to hang it by."""
PAN_HOLE = [
    (0.1655, 0.0052), (0.1725, 0.0091), (0.1798, 0.0097), (0.1936, 0.0094), (0.1976, 0.0061),
    (0.1950, 0.0024), (0.1830, 0.0004), (0.1706, 0.0016), (0.1655, 0.0052),
]  # fmt: skip


def _base_outline(name: str, size: tuple[float, float, float]) -> list[list[Corner]]:
    """Bases in metres; only container, line and three-sided rectangle use the drawn size."""
    x, y = size[0] / 2, size[1] / 2
    bar = BAR_WIDTH / 2
    match name:
        case "bowl":
            return [_disc(BOWL_RADIUS, 64)]
        case "line":
            return [_rectangle(-x, -y, x, y)]
        case "container":
            wall = (
                CONTAINER_WALL / 2
            )  # the walls stand astride the size's border and do not meet at the corners
            return [_rectangle(-x - wall, -y, x + wall, y), _rectangle(-x, -y - wall, x, y + wall)]
        case "frame":
            outer, inner = 0.09, 0.081
            return [
                _rectangle(-outer, inner, outer, outer), _rectangle(-outer, -outer, outer, -inner),
                _rectangle(-outer, -inner, -inner, inner), _rectangle(inner, -inner, outer, inner),
            ]  # fmt: skip
        case "square":
            return [
                _rectangle(-0.1, 0.1 - bar, 0.1, 0.1 + bar), _rectangle(-0.1, -0.1 - bar, 0.1, -0.1 + bar),
                _rectangle(0.1 - bar, -0.1, 0.1 + bar, 0.1), _rectangle(-0.1 - bar, -0.1, -0.1 + bar, 0.1),
            ]  # fmt: skip
        case "three-sided rectangle":
            x, y = y, x  # its size is given as it lies on the table, turned by 90 degrees
            return [
                _rectangle(-x, -y - bar, x, -y + bar),
                _rectangle(x - bar, -y, x + bar, y),
                _rectangle(-x - bar, -y, -x + bar, y),
            ]
        case "pallet":
            unit = 0.175
            slats = [_rectangle(a * unit, -0.5 * unit, b * unit, 0.5 * unit) for a, b in PALLET_SLATS]
            return slats + [
                _rectangle(-0.6 * unit, a * unit, 0.6 * unit, b * unit) for a, b in PALLET_STRINGERS
            ]
        case "pan":
            return [_disc(PAN_RADIUS, 64, PAN_CENTRE), PAN_NECK, *_band(PAN_HOLE, PAN_GRIP)]
        case _:
            raise KeyError(name)


@functools.lru_cache(maxsize=512)
def outline(name: str, size: tuple[float, float, float]) -> tuple[Polygon, ...]:
    """Return the polygons of a type seen from above, in metres, counter-clockwise.

    `size` is the drawn nominal size; boxes, container, line and three-sided rectangle depend on it.
    """
    kind = OBJECTS[name]
    if kind.base:
        polygons = _base_outline(name, size)
        scale = 1.0
    elif kind.extrusion_scale is None:
        polygons = [_rectangle(-size[0] / 2, -size[1] / 2, size[0] / 2, size[1] / 2)]
        scale = 1.0
    else:
        polygons = _UNITS[name]
        scale = 0.003 * kind.extrusion_scale
    return tuple(_counter_clockwise(np.asarray(p, float) * scale) for p in polygons)


def _counter_clockwise(polygon: Polygon) -> Polygon:
    x, y = polygon.T
    area = np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    return polygon if area > 0 else polygon[::-1].copy()


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Return the corners of the convex hull of points in the plane, in order (monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))

    def half(way: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in way:
            while len(chain) > 1:
                (x0, y0), (x1, y1) = chain[-2:]
                if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 1e-12:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))
