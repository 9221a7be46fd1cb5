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

SIDES = 16
"""Of round things."""


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
    """Return a part's triangles."""
    size = np.array(part.size, np.float32)
    corners, normals = _unit(part.shape, part.profile)
    corners = corners * size
    normals = normals / np.maximum(size, 1e-6)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    if any(part.rotation):
        turn = functools.reduce(
            lambda done, each: rotation_about(*each) @ done, enumerate(part.rotation), np.eye(3)
        ).astype(np.float32)
        corners, normals = corners @ turn.T, normals @ turn.T
    corners = corners + np.array(part.position, np.float32)
    return Mesh(corners, normals, _on_surface(corners))


def _on_surface(corners: np.ndarray) -> np.ndarray:
    """Place each triangle's corners on the plane it faces most: (F, 3, 2) metres, upright on walls."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(across).argmax(1)
    axes = np.array([[1, 2], [0, 2], [0, 1]])[facing]  # (F, 2)
    return np.take_along_axis(corners, np.repeat(axes[:, None, :], 3, 1), 2)


@functools.cache
def _unit(shape: str, profile: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners and normals (F, 3, 3) of a shape that fills the cube of side 1 about the origin."""
    if shape == "box":
        return _box()
    if shape == "cylinder":
        return _lathe(((0, 0), (1, 0), (1, 1), (0, 1)), smooth=False)
    if shape == "ellipsoid":
        angles = [math.pi * i / 8 for i in range(9)]
        return _lathe(tuple((math.sin(a), (1 - math.cos(a)) / 2) for a in angles), smooth=True)
    if shape == "lathe":
        return _lathe(profile, smooth=False)
    if shape == "cushion":
        return _cushion()
    raise ValueError(f"no shape {shape!r}: box, cylinder, ellipsoid, lathe or cushion")


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


def _lathe(profile: Sequence[tuple[float, float]], *, smooth: bool) -> tuple[np.ndarray, np.ndarray]:
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
    turn = np.linspace(0, 2 * math.pi, SIDES + 1)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    corners, normals = [], []
    for i in range(len(along)):
        (r0, z0), (r1, z1) = points[i], points[i + 1]
        for a, b in zip(ring[:-1], ring[1:], strict=True):
            quad = [(*(a * r0), z0), (*(b * r0), z0), (*(b * r1), z1), (*(a * r1), z1)]
            n0, n1 = starts[i], ends[i]
            turned = [
                (*(a * n0[0]), n0[1]),
                (*(b * n0[0]), n0[1]),
                (*(b * n1[0]), n1[1]),
                (*(a * n1[0]), n1[1]),
            ]
            for triangle in ((0, 1, 2), (0, 2, 3)):
                if (r0 < 1e-9 and triangle == (0, 1, 2)) or (r1 < 1e-9 and triangle == (0, 2, 3)):
                    continue  # at the axis a quad is one triangle
                corners.append([quad[k] for k in triangle])
                normals.append([turned[k] for k in triangle])
    return np.array(corners, np.float32), np.array(normals, np.float32)


def _cushion() -> tuple[np.ndarray, np.ndarray]:
    """A box with all edges rounded: a superellipsoid."""
    power, rows, columns = 0.35, 8, SIDES

    def bent(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** power

    v, u = np.meshgrid(
        np.linspace(-math.pi / 2, math.pi / 2, rows + 1),
        np.linspace(-math.pi, math.pi, columns + 1),
        indexing="ij",
    )
    points = (
        np.stack([bent(np.cos(v)) * bent(np.cos(u)), bent(np.cos(v)) * bent(np.sin(u)), bent(np.sin(v))], -1)
        / 2
    )
    normal = np.stack(
        [
            np.sign(np.cos(u)) * np.abs(np.cos(v)) ** (2 - power) * np.abs(np.cos(u)) ** (2 - power),
            np.sign(np.sin(u)) * np.abs(np.cos(v)) ** (2 - power) * np.abs(np.sin(u)) ** (2 - power),
            np.sign(np.sin(v)) * np.abs(np.sin(v)) ** (2 - power),
        ],
        -1,
    )
    corners, normals = [], []
    for i in range(rows):
        for j in range(columns):
            quad = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
            for triangle in ((0, 1, 2), (0, 2, 3)):
                spots = [quad[k] for k in triangle]
                three = np.array([points[s] for s in spots])
                if np.linalg.norm(np.cross(three[1] - three[0], three[2] - three[0])) > 1e-9:
                    corners.append(three)
                    normals.append([normal[s] for s in spots])
    return np.array(corners, np.float32), np.array(normals, np.float32)
