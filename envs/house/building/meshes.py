"""Parts as triangles: what the renderer draws and what is exported.

A mesh is a soup of triangles with a normal and a texture coordinate at each corner, so that flat and round
surfaces, and textures measured in metres, need nothing more.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.scene import Part, rotation_about

_SIDES = ((0.05, 8), (math.inf, 12))
_SIDES_OF_BALLS = ((0.20, 8), (math.inf, 12))
"""(width in metres up to which, sides of round things); balls cost more triangles and need fewer."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in a thing's frame."""

    corners: np.ndarray  # (F, 3, 3) float32 metres, counter-clockwise seen from outside
    normals: np.ndarray  # (F, 3, 3) float32
    metres: np.ndarray  # (F, 3, 2) float32, place on the surface

    @staticmethod
    def joined(meshes: Sequence["Mesh"]) -> "Mesh":
        return Mesh(
            *(np.concatenate([getattr(m, name) for m in meshes]) for name in ("corners", "normals", "metres"))
        )


def part_mesh(part: Part) -> Mesh:
    """Return a part's triangles; places on the surface only where a texture needs them, else zeros."""
    return part_meshes([part])[0]


def part_meshes(parts: Sequence[Part]) -> list[Mesh]:
    """Return the triangles of each part, as `part_mesh` does one by one, made in one go for equal shapes."""
    alike: dict[tuple, list[int]] = {}
    for number, part in enumerate(parts):
        width = max(part.size[0], part.size[1])
        table = _SIDES_OF_BALLS if part.shape == "ellipsoid" else _SIDES
        sides = next(count for most, count in table if width <= most)
        key = (part.shape, part.profile, sides if part.shape != "box" else 4, any(part.rotation))
        alike.setdefault(key, []).append(number)
    made: list[Mesh | None] = [None] * len(parts)
    for (shape, profile, sides, turned), numbers in alike.items():
        unit_corners, unit_normals = _unit(shape, profile, sides)
        size = np.array([parts[k].size for k in numbers], np.float32)[:, None, None]  # (n, 1, 1, 3)
        corners, normals = unit_corners * size, unit_normals / size  # (n, F, 3, 3)
        if shape != "box":
            normals /= np.maximum(np.sqrt((normals * normals).sum(-1, keepdims=True)), 1e-9)
        else:
            normals = np.sign(normals)
        if turned:
            turns = np.stack([_turn(parts[k].rotation).T for k in numbers])[:, None]  # (n, 1, 3, 3)
            corners, normals = corners @ turns, normals @ turns
        corners += np.array([parts[k].position for k in numbers], np.float32)[:, None, None]
        blank = np.zeros((len(unit_corners), 3, 2), np.float32)
        for place, number in enumerate(numbers):
            bare = parts[number].surface.texture is None
            metres = blank if bare else _on_surface(corners[place])
            made[number] = Mesh(corners[place], normals[place], metres)
    return made


@functools.cache
def _turn(rotation: tuple[float, float, float]) -> np.ndarray:
    turn = functools.reduce(lambda done, each: rotation_about(*each) @ done, enumerate(rotation), np.eye(3))
    return turn.astype(np.float32)


def _on_surface(corners: np.ndarray) -> np.ndarray:
    """Place each triangle's corners on the plane it faces most: (F, 3, 2) metres, upright on walls."""
    u, v = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    across = np.abs((u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]))
    facing = across.argmax(0)  # (F,)
    places = np.stack([corners[..., [1, 2]], corners[..., [0, 2]], corners[..., [0, 1]]])
    return places[facing, np.arange(len(corners))]


@functools.cache
def _unit(shape: str, profile: tuple[tuple[float, float], ...], sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners and normals (F, 3, 3) of a shape that fills the cube of side 1 about the origin."""
    if shape == "box":
        return _box()
    if shape == "cylinder":
        return _lathe(((0, 0), (1, 0), (1, 1), (0, 1)), sides, smooth=False)
    if shape == "ellipsoid":
        angles = [math.pi * i * 2 / sides for i in range(sides // 2 + 1)]
        return _lathe(tuple((math.sin(a), (1 - math.cos(a)) / 2) for a in angles), sides, smooth=True)
    if shape == "lathe":
        return _lathe(profile, sides, smooth=False)
    if shape == "cushion":
        return _cushion()
    if shape == "pillow":
        return _pillow()
    raise ValueError(f"no shape {shape!r}: box, cylinder, ellipsoid, cushion, pillow or lathe")


def _box() -> tuple[np.ndarray, np.ndarray]:
    corners, normals = [], []
    for axis in range(3):
        for side in (-0.5, 0.5):
            u, v = ((axis + 1) % 3, (axis + 2) % 3) if side > 0 else ((axis + 2) % 3, (axis + 1) % 3)
            square = np.zeros((4, 3))
            square[:, axis] = side
            square[[1, 2], u] += 1
            square[[2, 3], v] += 1
            square[:, [u, v]] -= 0.5
            corners += [square[[0, 1, 2]], square[[0, 2, 3]]]
            normal = np.zeros((3, 3))
            normal[:, axis] = 2 * side
            normals += [normal, normal]
    return np.array(corners, np.float32), np.array(normals, np.float32)


def _lathe(
    profile: Sequence[tuple[float, float]], sides: int, *, smooth: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a profile of (radius as a share of the half width, height from 0 to 1) about z, from below up.

    A profile may come back down inside, as that of a bowl does. Corners sharper than 45° stay sharp.
    """
    points = np.array(profile, float) * (0.5, 1) - (0, 0.5)
    along = np.diff(points, axis=0)
    lengths = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    flat = np.stack([along[:, 1], -along[:, 0]], 1) / lengths  # (P - 1, 2) outward normals in (r, z)
    starts, ends = flat.copy(), flat.copy()
    for i in range(len(flat) - 1):
        if smooth or flat[i] @ flat[i + 1] > 0.7:
            middle = flat[i] + flat[i + 1]
            ends[i] = starts[i + 1] = middle / np.linalg.norm(middle)
    turn = np.linspace(0, 2 * math.pi, sides + 1)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)  # (sides + 1, 2)

    def turned(pairs: np.ndarray) -> np.ndarray:  # (P - 1, 2) in (r, z) → (P - 1, sides + 1, 3)
        out = np.empty((len(pairs), sides + 1, 3))
        out[..., :2] = ring * pairs[:, None, :1]
        out[..., 2] = pairs[:, None, 1]
        return out

    return _triangles(turned(points[:-1]), turned(points[1:]), turned(starts), turned(ends))


def _cushion() -> tuple[np.ndarray, np.ndarray]:
    """A box whose corners are round from above and whose top and bottom are slightly domed."""
    corner, angles = 0.14, np.linspace(0, math.pi / 2, 3)
    around = np.concatenate([angles + k * math.pi / 2 for k in range(4)])
    outwards = np.stack([np.cos(around), np.sin(around)], 1)  # (12, 2)
    centres = np.repeat(np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * (0.5 - corner), 3, 0)
    ring = np.concatenate([centres + corner * outwards, outwards], 1)
    ring = np.concatenate([ring, ring[:1]])  # (13, 4) places and normals
    # share of the ring's width, height, how much of the normal points outwards, and upwards
    rows = ((0, -0.5, 0, -1), (0.9, -0.47, 0.4, -0.9), (1, -0.3, 1, -0.1))
    rows += ((1, 0.3, 1, 0.1), (0.9, 0.47, 0.4, 0.9), (0, 0.5, 0, 1))
    places = np.array([np.c_[ring[:, :2] * wide, np.full(len(ring), height)] for wide, height, *_ in rows])
    normals = np.array([np.c_[ring[:, 2:] * out, np.full(len(ring), up)] for *_, out, up in rows])
    return _triangles(places[:-1], places[1:], normals[:-1], normals[1:])


def _pillow() -> tuple[np.ndarray, np.ndarray]:
    """A square from above, a lens from the side: a superellipsoid."""
    side, above, rows, columns = 0.9, 0.4, 6, 16

    def bent(value: np.ndarray, power: float) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** power

    v, u = np.meshgrid(
        np.linspace(-math.pi / 2, math.pi / 2, rows + 1),
        np.linspace(-math.pi, math.pi, columns + 1),
        indexing="ij",
    )

    def surface(side: float, above: float) -> np.ndarray:
        level = bent(np.cos(v), side)
        return np.stack(
            [level * bent(np.cos(u), above), level * bent(np.sin(u), above), bent(np.sin(v), side)], -1
        )

    points, normals = surface(side, above) / 2, surface(2 - side, 2 - above)
    return _triangles(points[:-1], points[1:], normals[:-1], normals[1:])


def _triangles(
    low: np.ndarray, high: np.ndarray, low_normals: np.ndarray, high_normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Join the lower and upper corners (rows, columns + 1, 3) of bands of quads; quads at a pole are one
    triangle.
    """

    def cut(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        a, b, c, d = low[:, :-1], low[:, 1:], high[:, 1:], high[:, :-1]
        return np.stack([np.stack([a, b, c], -2), np.stack([a, c, d], -2)], -3).reshape(-1, 3, 3)

    corners, normals = cut(low, high), cut(low_normals, high_normals)
    edges = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    kept = (edges * edges).sum(-1) > 1e-16
    return corners[kept].astype(np.float32), normals[kept].astype(np.float32)
