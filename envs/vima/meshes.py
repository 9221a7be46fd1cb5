"""Drawn geometry: triangle meshes with normals and texture coordinates, and the parts an object is assembled from.

Unusual: side faces carry the texture of the top's edge stretched down, as the benchmark's planar mapping does; boxes show a
quarter of the picture on every face whatever their size; the bowl's and pan's normals imitate coarse smooth shading.
Refuses to know MuJoCo, colours and poses.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from .objects import OBJECTS
from .outlines import BAR_WIDTH, PALLET_SLATS, PALLET_STRINGERS, PAN_HANDLE, Polygon, outline

_TEXTURE_SPAN = {"letter": 0.30, "L-sha": 0.30, "ring": 0.26}
_SHAPE_SPAN = 0.20


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


def _planar(corners: np.ndarray, span: float, top: float) -> np.ndarray:
    """Texture coordinates seen from above; below the top the picture runs on along v, five times faster."""
    u = 0.5 + corners[..., 0] / span
    v = 0.5 - corners[..., 1] / span + (top - corners[..., 2]) / (span * 0.2)
    return np.stack([u, v], -1)


def _prism(build: _Builder, polygon: Polygon, low: float, high: float, span: float) -> None:
    """Append the top and the sides of an upright prism over a star-shaped polygon (its underside is never seen)."""
    following = np.roll(polygon, -1, axis=0)
    n = len(polygon)

    def at(xy: np.ndarray, z: float) -> np.ndarray:
        return np.column_stack([xy, np.full(n, z)])

    centre = at(np.broadcast_to(polygon.mean(0), (n, 2)), high)
    top = np.stack([centre, at(polygon, high), at(following, high)], 1)
    build.triangles(top, np.array([0.0, 0.0, 1.0]), _planar(top, span, high))
    sides = np.stack([at(polygon, low), at(following, low), at(following, high), at(polygon, high)], 1)
    edge = following - polygon
    normals = np.column_stack([edge[:, 1], -edge[:, 0], np.zeros(n)]) / np.linalg.norm(edge, axis=1)[:, None]
    build.quads(sides, normals[:, None], _planar(sides, span, high))
    bottom = np.stack(
        [at(np.broadcast_to(polygon.mean(0), (n, 2)), low), at(following, low), at(polygon, low)], 1
    )
    build.triangles(bottom, np.array([0.0, 0.0, -1.0]), _planar(bottom, span, high))


def _cube() -> Mesh:
    """The unit cube about the origin; every face shows the lower right quarter of the picture."""
    build = _Builder()
    half = 0.5
    for axis in range(3):
        for sign in (-1.0, 1.0):
            normal = np.zeros(3)
            normal[axis] = sign
            if axis == 2:
                first, second = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
            else:
                first, second = np.roll(np.array([1.0, 0, 0]), (axis + 1) % 2), np.array([0, 0, 1.0])
            square = [(-half, -half), (half, -half), (half, half), (-half, half)]
            corners = np.array([half * normal + a * first + b * second for a, b in square])
            texture = np.array([(0.5 + 0.25 * (a + half), 0.25 * (half - b)) for a, b in square])
            if np.dot(np.cross(corners[1] - corners[0], corners[2] - corners[0]), normal) < 0:
                corners, texture = corners[::-1], texture[::-1]
            build.quads(corners[None], normal, texture[None])
    return build.mesh()


def _lathe(
    build: _Builder, rings: list[tuple[float, float, float, float]], corners: int, span: float, turns: float
) -> None:
    """Append a surface of revolution through (radius, z, normal radial, normal z) rings.

    Flat rings are textured from above (`span` metres a picture), steep ones around (`turns` pictures a revolution).
    """
    angles = np.arange(corners + 1) * 2 * math.pi / corners
    ring = np.column_stack([np.cos(angles), np.sin(angles)])

    for (r0, z0, n0, m0), (r1, z1, n1, m1) in zip(rings, rings[1:], strict=False):

        def points(r: float, z: float) -> np.ndarray:
            return np.column_stack([ring * r, np.full(corners + 1, z)])

        def normals(radial: float, up: float) -> np.ndarray:
            return np.column_stack([ring * radial, np.full(corners + 1, up)])

        inner, outer, normal_0, normal_1 = points(r0, z0), points(r1, z1), normals(n0, m0), normals(n1, m1)
        quad = np.stack([inner[:-1], outer[:-1], outer[1:], inner[1:]], 1)
        quad_normals = np.stack([normal_0[:-1], normal_1[:-1], normal_1[1:], normal_0[1:]], 1)
        if abs(z1 - z0) < abs(r1 - r0):
            texture = np.stack([0.625 + quad[..., 0] / span, 0.125 - quad[..., 1] / span], -1)
        else:
            around = angles / (2 * math.pi) * turns
            v = np.array([z0, z1]) / 0.25
            texture = np.stack([
                np.stack([around[:-1], np.full(corners, v[0])], -1), np.stack([around[:-1], np.full(corners, v[1])], -1),
                np.stack([around[1:], np.full(corners, v[1])], -1), np.stack([around[1:], np.full(corners, v[0])], -1),
            ], 1)  # fmt: skip
        build.quads(quad, quad_normals, texture)


def _bowl() -> Mesh:
    build = _Builder()
    _lathe(
        build,
        [
            (0.0, 0.012, 0.0, 1.0), (0.060, 0.012, 0.0, 1.0), (0.080, 0.020, -1.0, 0.0), (0.096, 0.069, -1.0, 0.0),
            (0.100, 0.069, 0.0, 1.0), (0.100, 0.069, 1.0, 0.0), (0.066, 0.0, 1.0, -0.3),
        ],
        32, span=0.75, turns=0.8,
    )  # fmt: skip
    return build.mesh()


def _pan() -> Mesh:
    build = _Builder()
    z = -0.015
    _lathe(
        build,
        [
            (0.0, z + 0.005, 0.0, 1.0), (0.066, z + 0.005, 0.0, 1.0), (0.081, z + 0.028, -0.6, 0.6), (0.085, z + 0.030, 0.0, 1.0),
            (0.085, z + 0.030, 1.0, 0.0), (0.066, z, 1.0, -0.3),
        ],
        32, span=0.2, turns=2.0,
    )  # fmt: skip
    x0, y0, x1, y1 = PAN_HANDLE
    _prism(build, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), z + 0.022, z + 0.038, 0.2)
    return build.mesh()


def _pallet() -> Mesh:
    build = _Builder()
    unit = 0.175
    for x0, x1 in PALLET_SLATS:
        slat = np.array([(x0, -0.5), (x1, -0.5), (x1, 0.5), (x0, 0.5)]) * unit
        for low, high in ((0.055, 0.075), (-0.075, -0.055)):
            _prism(build, slat, low * unit, high * unit, _SHAPE_SPAN)
    for y0, y1 in PALLET_STRINGERS:
        _prism(
            build,
            np.array([(-0.6, y0), (0.6, y0), (0.6, y1), (-0.6, y1)]) * unit,
            -0.055 * unit,
            0.055 * unit,
            _SHAPE_SPAN,
        )
    return build.mesh()


@functools.cache
def meshes() -> dict[str, Mesh]:
    """Build every mesh once: the unit cube, one per extruded shape, bowl, pan, pallet and frame."""
    built = {"cube": _cube(), "bowl": _bowl(), "pan": _pan(), "pallet": _pallet()}
    for name, kind in OBJECTS.items():
        if kind.extrusion_scale is not None:
            span = next((s for key, s in _TEXTURE_SPAN.items() if name.startswith(key)), _SHAPE_SPAN)
            build = _Builder()
            for polygon in outline(name, kind.size_high):
                _prism(build, polygon, 0.0, kind.height, span)
            built[name] = build.mesh()
    build = _Builder()
    for polygon in outline("frame", OBJECTS["frame"].size_high):
        _prism(build, polygon, 0.0, 0.0015, 0.30)
    built["frame"] = build.mesh()
    return built


def _bar(x: float, y: float, length_x: float, length_y: float) -> Part:
    return Part("cube", (length_x, length_y, 0.001), (x, y, 0.0))


def _container(size: tuple[float, float, float]) -> list[Part]:
    x, y, z = size[0], size[1], size[2] / 1.1
    wall, low = 0.002, -0.025
    middle = low + z / 2
    return [
        Part("cube", (x, y, wall), (0.0, 0.0, low + wall / 2)),
        Part("cube", (wall, y, z), ((x - wall) / 2, 0.0, middle)),
        Part("cube", (wall, y, z), (-(x - wall) / 2, 0.0, middle)),
        Part("cube", (x, wall, z), (0.0, (y - wall) / 2, middle)),
        Part("cube", (x, wall, z), (0.0, -(y - wall) / 2, middle)),
    ]


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
                _bar(0, half, 0.2, width), _bar(0, -half, 0.2, width), _bar(half, 0, width, 0.2), _bar(-half, 0, width, 0.2),
            )  # fmt: skip
        case "three-sided rectangle":
            return (
                _bar(0, -y / 2, x, BAR_WIDTH),
                _bar(x / 2, 0, BAR_WIDTH, y),
                _bar(-x / 2, 0, BAR_WIDTH, y),
            )
        case "container":
            return tuple(_container(size))
        case _:
            return (Part(name),)
