"""Drawn geometry: triangle meshes with normals and texture coordinates, and the parts an object is
assembled from.

Unusual: side faces carry the texture of the top's edge stretched down, as the benchmark's planar mapping
does; boxes show a quarter of the picture on every face whatever their size; the bowl's and pan's normals
imitate coarse smooth shading. Refuses to know MuJoCo, colours and poses.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from envs.vima.things.objects import OBJECTS
from envs.vima.things.outlines import (
    BAR_WIDTH,
    CONTAINER_WALL,
    PALLET_SLATS,
    PALLET_STRINGERS,
    PAN_RADIUS,
    Polygon,
    outline,
)


@dataclass(frozen=True)
class _Mapping:
    """How a picture lies on a shape seen from above: metres it spans, where its middle is, and which way it
    runs.
    """

    span: float = 0.20
    centre: tuple[float, float] = (0.5, 0.5)
    u_axis: tuple[float, float] = (1.0, 0.0)
    v_axis: tuple[float, float] = (0.0, -1.0)


_PLAIN_MAPPING = _Mapping()
_MAPPINGS = {
    **{
        name: _Mapping(span=0.30)
        for name in ("letter A", "letter E", "letter G", "letter M", "letter R", "letter V")
    },
    "letter T": _Mapping(span=0.30, centre=(0.5, 0.48), u_axis=(0.0, 1.0), v_axis=(0.85, 0.0)),
    "L-shaped block": _Mapping(span=0.30, centre=(0.5, 0.44)),
    "ring": _Mapping(span=0.26, centre=(0.5, 0.44)),
    "triangle": _Mapping(span=0.20, centre=(0.5, 0.53), v_axis=(0.0, -0.8)),
    "heart": _Mapping(span=0.24, centre=(0.5, 0.27)),
    "frame": _Mapping(span=0.60),
    "pallet": _Mapping(span=0.36),
    "pan": _Mapping(span=0.30),
}


@dataclass(frozen=True)
class Mesh:
    """Triangles without shared corners: every three rows are one face."""

    corners: np.ndarray  # (3·F, 3) metres
    normals: np.ndarray  # (3·F, 3) unit
    texture: np.ndarray  # (3·F, 2), (0, 0) is the picture's lower left corner


@dataclass(frozen=True)
class Part:
    """A mesh by name, stretched by `scale` and moved by `offset` in the object's frame."""

    mesh: str
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)


class _Builder:
    def __init__(self) -> None:
        self.corners: list[np.ndarray] = []
        self.normals: list[np.ndarray] = []
        self.texture: list[np.ndarray] = []

    def triangles(self, corners: np.ndarray, normals: np.ndarray, texture: np.ndarray) -> None:
        """Append (n, 3, 3) corners, normals that broadcast to it, (n, 3, 2) texture coordinates."""
        self.corners.append(corners.reshape(-1, 3))
        self.normals.append(np.broadcast_to(normals, corners.shape).reshape(-1, 3))
        self.texture.append(texture.reshape(-1, 2))

    def quads(self, corners: np.ndarray, normals: np.ndarray, texture: np.ndarray) -> None:
        """Append (n, 4, 3) corners (counter-clockwise from outside) as two triangles each."""
        normals = np.broadcast_to(normals, corners.shape)
        for pick in ([0, 1, 2], [0, 2, 3]):
            self.triangles(corners[:, pick], normals[:, pick], texture[:, pick])

    def mesh(self) -> Mesh:
        return Mesh(np.concatenate(self.corners), np.concatenate(self.normals), np.concatenate(self.texture))


def _planar(corners: np.ndarray, mapping: _Mapping, top: float) -> np.ndarray:
    """Texture coordinates seen from above; below the top the picture runs on along v, five times faster."""
    u = mapping.centre[0] + corners[..., :2] @ np.asarray(mapping.u_axis) / mapping.span
    v = mapping.centre[1] + corners[..., :2] @ np.asarray(mapping.v_axis) / mapping.span
    return np.stack([u, v + (top - corners[..., 2]) / (mapping.span * 0.2)], -1)


def _prism(build: _Builder, polygon: Polygon, low: float, high: float, mapping: _Mapping) -> None:
    """Append the top and the sides of an upright prism over a star-shaped polygon (its underside is never
    seen).
    """
    following = np.roll(polygon, -1, axis=0)
    n = len(polygon)

    def at(xy: np.ndarray, z: float) -> np.ndarray:
        return np.column_stack([xy, np.full(n, z)])

    centre = at(np.broadcast_to(polygon.mean(0), (n, 2)), high)
    top = np.stack([centre, at(polygon, high), at(following, high)], 1)
    build.triangles(top, np.array([0.0, 0.0, 1.0]), _planar(top, mapping, high))
    sides = np.stack([at(polygon, low), at(following, low), at(following, high), at(polygon, high)], 1)
    edge = following - polygon
    normals = np.column_stack([edge[:, 1], -edge[:, 0], np.zeros(n)]) / np.linalg.norm(edge, axis=1)[:, None]
    build.quads(sides, normals[:, None], _planar(sides, mapping, high))
    bottom = np.stack(
        [at(np.broadcast_to(polygon.mean(0), (n, 2)), low), at(following, low), at(polygon, low)], 1
    )
    build.triangles(bottom, np.array([0.0, 0.0, -1.0]), _planar(bottom, mapping, high))


def _cube() -> Mesh:
    """The unit cube about the origin; every face shows the lower right quarter of the picture."""
    build = _Builder()
    x, y, z = np.eye(3)
    # u runs along the first axis given, v against the second
    for normal, first, second in ((x, z, y), (y, x, z), (z, x, y)):
        for sign in (-1.0, 1.0):
            square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
            corners = 0.5 * sign * normal + square[:, :1] * first + square[:, 1:] * second
            texture = np.column_stack([0.75 + 0.25 * (square[:, 0] + 0.5), 0.25 * (0.5 - square[:, 1])])
            if np.dot(np.cross(corners[1] - corners[0], corners[2] - corners[0]), sign * normal) < 0:
                corners, texture = corners[::-1], texture[::-1]
            build.quads(corners[None], sign * normal, texture[None])
    return build.mesh()


def _lathe(
    build: _Builder,
    rings: list[tuple[float, float, float, float]],
    corners: int,
    span: float,
    turns: float,
    lobes: int = 0,
) -> None:
    """Append a surface of revolution through (radius, z, normal radial, normal z) rings.

    Flat rings are textured from above (`span` metres a picture), steep ones around (`turns` pictures a
    revolution). With `lobes`, the normals of the third ring alternate between up and level, as on a
    coarsely shaded mesh.
    """
    angles = np.arange(corners + 1) * 2 * math.pi / corners
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    wave = np.where(np.cos(lobes * angles) > 0.9, 0.0, 1.0) if lobes else np.ones(corners + 1)

    def points(radius: float, z: float) -> np.ndarray:
        return np.column_stack([circle * radius, np.full(corners + 1, z)])

    def normals(ring: int) -> np.ndarray:
        _, _, radial, up = rings[ring]
        flat = wave if ring == 2 else np.ones(corners + 1)
        return np.column_stack([circle * (radial - (1 - flat))[:, None], up * flat])

    for inner in range(len(rings) - 1):
        (r0, z0, *_), (r1, z1, *_) = rings[inner], rings[inner + 1]
        a, b, normal_a, normal_b = points(r0, z0), points(r1, z1), normals(inner), normals(inner + 1)
        quad = np.stack([a[:-1], b[:-1], b[1:], a[1:]], 1)
        quad_normals = np.stack([normal_a[:-1], normal_b[:-1], normal_b[1:], normal_a[1:]], 1)
        if abs(z1 - z0) < abs(r1 - r0):
            texture = np.stack([0.625 + quad[..., 1] / span, 0.125 + quad[..., 0] / span], -1)
        else:
            u = angles / (2 * math.pi) * turns
            v = np.full(corners, z0 / 0.25), np.full(corners, z1 / 0.25)
            texture = np.stack(
                [
                    np.column_stack(pair)
                    for pair in ((u[:-1], v[0]), (u[:-1], v[1]), (u[1:], v[1]), (u[1:], v[0]))
                ],
                1,
            )
        build.quads(quad, quad_normals, texture)


def _bowl() -> Mesh:
    build = _Builder()
    rings = [
        (0.0, 0.012, 0.0, 1.0), (0.048, 0.012, 0.0, 1.0), (0.070, 0.013, 0.0, 1.0), (0.082, 0.020, -1.0, 0.0),
        (0.096, 0.069, -1.0, 0.0),
        (0.100, 0.069, 0.0, 1.0), (0.100, 0.069, 1.0, 0.0), (0.066, 0.0, 1.0, -0.3),
    ]  # fmt: skip
    _lathe(build, rings, 32, span=0.75, turns=0.8, lobes=8)
    return build.mesh()


def _pan() -> Mesh:
    build = _Builder()
    z = -0.015
    rings = [
        (0.0, z + 0.005, 0.0, 1.0), (0.060, z + 0.005, 0.0, 1.0), (0.080, z + 0.024, -0.8, 0.4),
        (PAN_RADIUS, z + 0.027, 0.0, 1.0),
        (PAN_RADIUS, z + 0.027, 1.0, 0.0), (0.064, z, 1.0, -0.3),
    ]  # fmt: skip
    _lathe(build, rings, 32, span=0.36, turns=1.0)
    _, *handle = outline("pan", OBJECTS["pan"].size_high)
    for polygon in handle:
        _prism(build, polygon, z + 0.022, z + 0.038, _MAPPINGS["pan"])
    return build.mesh()


def _pallet() -> Mesh:
    build = _Builder()
    unit = 0.175
    for x0, x1 in PALLET_SLATS:
        slat = np.array([(x0, -0.5), (x1, -0.5), (x1, 0.5), (x0, 0.5)]) * unit
        for low, high in ((0.055, 0.075), (-0.075, -0.055)):
            _prism(build, slat, low * unit, high * unit, _MAPPINGS["pallet"])
    for y0, y1 in PALLET_STRINGERS:
        _prism(
            build,
            np.array([(-0.6, y0), (0.6, y0), (0.6, y1), (-0.6, y1)]) * unit,
            -0.055 * unit,
            0.055 * unit,
            _MAPPINGS["pallet"],
        )
    return build.mesh()


@functools.cache
def meshes() -> dict[str, Mesh]:
    """Build every mesh once: the unit cube, one per extruded shape, bowl, pan, pallet and frame."""
    built = {"cube": _cube(), "bowl": _bowl(), "pan": _pan(), "pallet": _pallet()}
    for name, kind in OBJECTS.items():
        if kind.extrusion_scale is not None:
            build = _Builder()
            for polygon in outline(name, kind.size_high):
                _prism(build, polygon, 0.0, kind.height, _MAPPINGS.get(name, _PLAIN_MAPPING))
            built[name] = build.mesh()
    build = _Builder()
    for polygon in outline("frame", OBJECTS["frame"].size_high):
        _prism(build, polygon, 0.0, 0.0015, _MAPPINGS["frame"])
    built["frame"] = build.mesh()
    return built


def _bar(x: float, y: float, length_x: float, length_y: float) -> Part:
    return Part("cube", (length_x, length_y, 0.001), (x, y, 0.0))


def _container(size: tuple[float, float, float]) -> list[Part]:
    x, y, z = size[0], size[1], size[2] / 1.1
    wall, low = CONTAINER_WALL, -0.025
    middle = low + z / 2
    sides = [Part("cube", (wall, y, z), (side * x / 2, 0.0, middle)) for side in (1, -1)]
    ends = [Part("cube", (x, wall, z), (0.0, side * y / 2, middle)) for side in (1, -1)]
    return [Part("cube", (x, y, wall), (0.0, 0.0, low + wall / 2)), *sides, *ends]


@functools.lru_cache(maxsize=512)
def parts(name: str, size: tuple[float, float, float]) -> tuple[Part, ...]:
    """Return what an object of this drawn size is assembled from, in its own frame (metres)."""
    x, y = size[0], size[1]
    match name:
        case "block" | "shorter block" | "small block":
            return (Part("cube", size),)
        case "line":
            return (_bar(0.0, 0.0, x, y),)
        case "square":
            half, width = 0.1, BAR_WIDTH
            return (
                _bar(0, half, 0.2, width), _bar(0, -half, 0.2, width),
                _bar(half, 0, width, 0.2), _bar(-half, 0, width, 0.2),
            )  # fmt: skip
        case "three-sided rectangle":
            x, y = y, x  # its size is given as it lies on the table, turned by 90 degrees
            return (
                _bar(0, -y / 2, x, BAR_WIDTH),
                _bar(x / 2, 0, BAR_WIDTH, y),
                _bar(-x / 2, 0, BAR_WIDTH, y),
            )
        case "container":
            return tuple(_container(size))
        case _:
            return (Part(name),)
