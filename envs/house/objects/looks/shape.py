"""What a builder is given: the box to fill, choices that depend only on the asset's name, and short words for
parts measured from the box's low corner.
"""

import hashlib
import math
from collections.abc import Sequence

from envs.house.scene import Hinge, Part, Surface

Span = tuple[float, float]
"""(from, to) in metres along an axis, from the low side of the box."""
Rgb = tuple[float, float, float]
Paint = Rgb | Surface
_TURNS = {0: (0.0, math.pi / 2, 0.0), 1: (-math.pi / 2, 0.0, 0.0), 2: (0.0, 0.0, 0.0)}
"""Axis → the turn that lays a part's z along it."""
_LOCAL = {0: (2, 1, 0), 1: (0, 2, 1), 2: (0, 1, 2)}
"""Axis → which of the box's axes a turned part's x, y and z run along."""
_LEAST = 0.002
"""Metres below which no part is thin."""


class Shape:
    """A box to fill: `width` (x), `depth` (y, the front at its end) and `height` (z), metres.

    Every part lies inside: spans are cut to the box, and widened to 2 mm where they would be thinner.
    """

    def __init__(self, asset: str, size: Sequence[float], axes: tuple[int, int, int] = (0, 1, 2)) -> None:
        self.size = tuple(size)
        self.width, self.depth, self.height = size
        self.asset = asset
        self._digest = hashlib.sha256(asset.encode()).digest()
        self._axes = axes

    def choice(self, options, place: int = 0):
        """Return one of the options, the same for every object of the asset; `place` draws anew."""
        return options[self._digest[place] % len(options)]

    def lying(self) -> "Shape":
        """Return the box with its longest side as depth and its shortest as height, however it lies."""
        order = sorted(range(3), key=lambda axis: self.size[axis])  # short, middle, long
        return self._reordered((order[1], order[2], order[0]))

    def upright(self) -> "Shape":
        """Return the box with its longest side as height, however it lies."""
        longest = max(range(3), key=lambda axis: (self.size[axis], axis))
        rest = [axis for axis in range(3) if axis != longest]
        return self._reordered((rest[0], rest[1], longest))

    def lengthwise(self) -> "Shape":
        """Return the box turned so that its width is no less than its depth."""
        return self if self.width >= self.depth else self._reordered((1, 0, 2))

    def _reordered(self, order: tuple[int, int, int]) -> "Shape":
        axes = (self._axes[order[0]], self._axes[order[1]], self._axes[order[2]])
        return Shape(self.asset, [self.size[axis] for axis in order], axes)

    def part(
        self,
        kind: str,
        x: Span,
        y: Span,
        z: Span,
        paint: Paint,
        *,
        axis: int = 2,
        profile: tuple[tuple[float, float], ...] = (),
        hinge: Hinge | None = None,
    ) -> Part:
        """Return a part that fills the spans; a cylinder's or lathe's axis is `axis`."""
        size, middle = [0.0] * 3, [0.0] * 3
        for own, span in enumerate((x, y, z)):
            low, high = (min(max(value, 0.0), self.size[own]) for value in span)
            if high - low < _LEAST:
                at = (low + high) / 2
                low, high = max(at - _LEAST / 2, 0.0), min(at + _LEAST / 2, self.size[own])
            size[self._axes[own]] = high - low
            middle[self._axes[own]] = (low + high - self.size[own]) / 2
        around = self._axes[axis]
        local = _LOCAL[around]
        return Part(
            kind,
            (size[local[0]], size[local[1]], size[local[2]]),
            (middle[0], middle[1], middle[2]),
            _TURNS[around],
            paint if isinstance(paint, Surface) else Surface((*paint, 1.0)),
            profile,
            hinge,
        )

    def box(self, x: Span, y: Span, z: Span, paint: Paint, **more) -> Part:
        return self.part("box", x, y, z, paint, **more)

    def cylinder(self, x: Span, y: Span, z: Span, paint: Paint, **more) -> Part:
        return self.part("cylinder", x, y, z, paint, **more)

    def ellipsoid(self, x: Span, y: Span, z: Span, paint: Paint, **more) -> Part:
        return self.part("ellipsoid", x, y, z, paint, **more)

    def cushion(self, x: Span, y: Span, z: Span, paint: Paint, **more) -> Part:
        return self.part("cushion", x, y, z, paint, **more)

    def lathe(self, profile, paint: Paint, x: Span = (0, 99), y: Span = (0, 99), z: Span = (0, 99), **more):
        """A turned body through `profile` (radius, height as shares); the whole box unless spans say less."""
        return self.part("lathe", x, y, z, paint, profile=tuple(profile), **more)

    def legs(self, thick: float, height: float, paint: Paint, inset: float = 0.0) -> list[Part]:
        """Four square legs under the corners."""
        return [
            self.box((x, x + thick), (y, y + thick), (0, height), paint)
            for x in (inset, self.width - inset - thick)
            for y in (inset, self.depth - inset - thick)
        ]

    def hinge(self, x: float, y: float, z: float, axis: int, degrees: float, rest: float = 0.0) -> Hinge:
        """A hinge through a point of the box along an axis; only for boxes that stand as they are."""
        point = tuple(at - full / 2 for at, full in zip((x, y, z), self.size, strict=True))
        return Hinge(point, axis, math.radians(degrees), rest)


def shade(colour: Rgb, share: float) -> Rgb:
    """Return a colour darker (share below 1) or lighter (above)."""
    if share <= 1:
        return tuple(round(value * share, 3) for value in colour)
    return tuple(round(1 - (1 - value) * (2 - share), 3) for value in colour)


def middle(centre: float, width: float) -> Span:
    """Return the span of a width about a centre."""
    return centre - width / 2, centre + width / 2


def lights(on: Rgb, off: Rgb) -> Surface:
    """Return a surface that glows in the colour `on` when its object is on, and is `off` when it is not."""
    return Surface((*on, 1.0), emission=0.3, off=(*off, 1.0))
