"""The 28 object types of the tabletop: names, nominal sizes, symmetries, physical constants.

Unusual: the nominal size drives spawn spacing and spawn height only; the geometry of extruded shapes is
fixed by `extrusion_scale` and is smaller than the nominal size. Only the container, the line and the
three-sided rectangle take their geometry from the drawn size. Refuses to know how a type looks
(`outlines.py`, `meshes.py`) or which task uses it.

Sources: VIMA-Bench's published object tables; sizes in metres, masses in kilograms, angles in radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Size = tuple[float, float, float]

_TAU = 2.0 * math.pi


@dataclass(frozen=True, kw_only=True)
class ObjectType:
    """One kind of thing that can stand on the table.

    `symmetry` is the smallest rotation (radians) that maps the shape onto itself for the goal test: `2π`
    for none, `0` when rotation means nothing (ring), `None` where the type has no rotation rule. `profile`
    is "circle", "square" or None. `extrusion_scale` is k of the extruded shapes (outline units × 0.003·k
    metres), None for everything else. `base` types are fixed containers that other objects are put into.
    """

    name: str
    size_low: Size
    size_high: Size
    symmetry: float | None = None
    profile: str | None = None
    mass: float = 0.1
    friction: float = 1.0
    extrusion_scale: float | None = None
    base: bool = False

    @property
    def height(self) -> float:
        """Height in metres of an extruded shape at scale 1 (20 outline units); of a box its nominal z."""
        if self.extrusion_scale is None:
            return self.size_high[2]
        return 20 * 0.001 * self.extrusion_scale / 1.1


def _extruded(
    name: str, k: float, symmetry: float | None, profile: str | None = None, low_k: float | None = None
) -> ObjectType:
    """An outline extruded to a prism; its nominal size is 0.08·k × 0.08·k × 0.02·k."""
    low = k if low_k is None else low_k
    return ObjectType(
        name=name,
        size_low=(round(0.08 * low, 6), round(0.08 * low, 6), round(0.02 * low, 6)),
        size_high=(round(0.08 * k, 6), round(0.08 * k, 6), round(0.02 * k, 6)),
        symmetry=symmetry,
        profile=profile,
        extrusion_scale=k,
    )


def _box(
    name: str, size: Size, symmetry: float | None, profile: str | None, mass: float, friction: float = 1.0
) -> ObjectType:
    return ObjectType(
        name=name,
        size_low=size,
        size_high=size,
        symmetry=symmetry,
        profile=profile,
        mass=mass,
        friction=friction,
    )


def _base(
    name: str, low: Size, high: Size | None = None, profile: str | None = None, friction: float = 1.0
) -> ObjectType:
    return ObjectType(
        name=name, size_low=low, size_high=high or low, profile=profile, friction=friction, base=True
    )


_ALL = (
    _box("block", (0.07, 0.07, 0.07), math.pi / 4, "square", 0.01),
    _extruded("L-shaped block", 1.6, _TAU),
    _extruded("letter A", 1.8, _TAU),
    _extruded("letter E", 1.8, _TAU),
    _extruded("letter G", 1.8, _TAU),
    _extruded("letter M", 1.7, _TAU),
    _extruded("letter R", 1.8, _TAU),
    _extruded("letter T", 1.8, _TAU),
    _extruded("letter V", 1.8, _TAU),
    _extruded("cross", 1.6, math.pi),
    _extruded("diamond", 1.6, math.pi),
    _extruded("triangle", 1.6, _TAU / 3),
    _extruded("flower", 1.8, math.pi / 2),
    _extruded("heart", 1.8, _TAU),
    _extruded("hexagon", 1.8, math.pi / 3, low_k=1.6),
    _extruded("pentagon", 1.8, _TAU / 5, low_k=1.6),
    _extruded("ring", 1.6, 0.0, "circle"),
    _extruded("round", 1.6, None, "circle"),
    _extruded("star", 1.8, _TAU / 5, low_k=1.6),
    _box("shorter block", (0.07, 0.07, 0.03), math.pi / 4, "square", 0.01),
    _box("small block", (0.03, 0.03, 0.03), None, None, 0.001, friction=0.5),
    _base("bowl", (0.17, 0.17, 0.0), profile="circle"),
    _base("container", (0.15, 0.15, 0.05), (0.17, 0.17, 0.05), profile="square", friction=0.3),
    _base("frame", (0.225, 0.225, 0.0), profile="square"),
    _base("square", (0.2, 0.04, 0.001), profile="square"),
    _base("pallet", (0.21, 0.175, 0.035), profile="square"),
    _base("pan", (0.16, 0.24, 0.03), profile="circle"),
    _base("three-sided rectangle", (0.2, 0.2, 0.0)),
    _base("line", (0.25, 0.04, 0.001)),
)

OBJECTS: dict[str, ObjectType] = {kind.name: kind for kind in _ALL}
