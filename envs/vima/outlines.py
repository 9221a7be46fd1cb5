"""Top-view outlines of every object type, as unions of star-shaped polygons in the object's own frame
(metres).

Unusual: a shape is a list of polygons that may overlap (a letter is its strokes), so that no triangulation
with holes is needed: holes are what no polygon covers. Every polygon must see all of its corners from its
mean point. Refuses to know heights' use, textures and MuJoCo.

Sources: VIMA-Bench's published outline vertices and extents; the letters are drawn here, stroke by stroke.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from .objects import OBJECTS

Polygon = np.ndarray  # (corners, 2) metres, counter-clockwise
Corner = tuple[float, float]


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> list[Corner]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _stroke(start: tuple[float, float], end: tuple[float, float], width: float) -> list[Corner]:
    """A slanted bar cut horizontally at both ends: `width` is measured along x."""
    (x0, y0), (x1, y1) = start, end
    return [(x0 - width / 2, y0), (x0 + width / 2, y0), (x1 + width / 2, y1), (x1 - width / 2, y1)]


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


def _heart() -> list[Corner]:
    """Two round lobes over a wedge whose tip points to -y; the cleft is shallow."""
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 2.635
    y = 13 * np.cos(t) - 4.228 * np.cos(2 * t) - 2.745 * np.cos(3 * t) - 0.345 * np.cos(4 * t)
    x, y = x / np.ptp(x) * 19.148, (y - (y.max() + y.min()) / 2) / np.ptp(y) * 17.592
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _leg(foot: float, width: float, half_top: float, half_height: float) -> list[list[Corner]]:
    """Two mirrored slanted bars from an apex of half width `half_top` to feet that end at x = ±`foot`."""
    return [
        [
            (side * (foot - width), -half_height),
            (side * foot, -half_height),
            (side * half_top, half_height),
            (-side * half_top, half_height),
        ]
        for side in (-1, 1)
    ]


def _letter_a() -> list[list[Corner]]:
    return [*_leg(8.25, 3.76, 1.8, 9.42), [(-5.2, -5.67), (5.2, -5.67), (4.2, -2.92), (-4.2, -2.92)]]


def _letter_g() -> list[list[Corner]]:
    """A half ring to the left, two strokes that flare out to straight ends on the right, a spur."""
    inner, outer = (4.3, 5.65), (7.556, 9.7)
    upper = [(0.0, inner[1]), (3.3, 5.26), (7.4, 3.6), (7.4, 8.49), (4.07, 9.19), (0.0, outer[1])]
    lower = [(0.0, -outer[1]), (4.15, -9.19), (7.556, -8.57), (7.556, -5.17), (3.4, -5.26), (0.0, -inner[1])]
    spur = [_rectangle(6.1, -8.07, 7.556, 1.77), _rectangle(-1.6, -2.1, 7.556, 1.77)]
    return [*_arc((0.0, 0.0), inner, outer, math.pi / 2, 1.5 * math.pi, 12), upper, lower, *spur]


def _letter_r() -> list[list[Corner]]:
    middle = 9.463 - 5.553
    bowl = _arc((-0.19, middle), (2.7, 1.63), (5.55, 5.553), -math.pi / 2, math.pi / 2, 8)
    return [
        _rectangle(-6.76, -9.463, -2.82, 9.463),
        _rectangle(-6.76, middle + 1.63, -0.09, 9.463),
        _rectangle(-6.76, middle - 5.553, -0.09, middle - 1.63),
        *bowl,
        [(2.6, -9.463), (6.76, -9.463), (2.58, middle - 4.95), (-1.51, middle - 4.95)],
    ]


def _letter_m() -> list[list[Corner]]:
    return [
        _rectangle(-9.0, -9.46, -5.4, 9.46),
        _rectangle(5.4, -9.46, 9.0, 9.46),
        *(_stroke((0.0, -9.46), (side * 6.6, 9.46), 4.2) for side in (-1, 1)),
    ]


_STAR = [
    (9.59, 0.0), (3.28, 3.12), (2.26, 10.08), (-2.65, 5.04), (-9.59, 6.23),
    (-6.31, 0.0), (-9.59, -6.23), (-2.65, -5.04), (2.26, -10.08), (3.28, -3.12),
]  # fmt: skip

# outline units (× 0.003·k metres)
_UNITS: dict[str, list[list[Corner]]] = {
    "letter A": _letter_a(),
    "letter E": [
        _rectangle(-5.33, -9.463, -1.13, 9.463),
        _rectangle(-5.33, 6.28, 5.285, 9.463),
        _rectangle(-5.33, -2.23, 4.56, 1.535),
        _rectangle(-5.33, -9.463, 5.33, -5.54),
    ],
    "letter G": _letter_g(),
    "letter M": _letter_m(),
    "letter R": _letter_r(),
    "letter T": [_rectangle(4, -10, 10, 10), _rectangle(-10, -3, 4, 3)],
    "letter V": [[(x, -y) for x, y in leg] for leg in _leg(7.8, 3.95, 1.84, 9.463)],
    "cross": [_rectangle(-10, -5, 10, 5), _rectangle(-5, -10, 5, 10)],
    "diamond": [[(12.5, 0), (0, 10), (-12.5, 0), (0, -10)]],
    "triangle": [[(0, -10), (10, 10), (-10, 10)]],
    "flower": [_disc(5.06, 24, c) for c in ((4.94, 0), (-4.94, 0), (0, 4.94), (0, -4.94))]
    + [_rectangle(-4.2, -4.2, 4.2, 4.2)],
    "heart": [_heart()],
    "hexagon": [[(0, 10), (-8.66, 5), (-8.66, -5), (0, -10), (8.66, -5), (8.66, 5)]],
    "pentagon": [[(0, -9.06), (9.53, -2.14), (5.89, 9.06), (-5.89, 9.06), (-9.53, -2.14)]],
    "L-shaped block": [_rectangle(-10, -10, -4, 10), _rectangle(-10, -10, 10, -4)],
    "ring": _arc((0, 0), (4.2, 4.2), (10, 10), 0.0, 2 * math.pi, 28),
    "round": [_disc(10, 48)],
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
PAN_RADIUS = 0.086
PAN_HANDLE = (0.07, -0.0033, 0.2065, 0.0103)


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
            return [_disc(PAN_RADIUS, 64), _rectangle(*PAN_HANDLE)]
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
