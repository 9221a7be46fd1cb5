"""3-D boxes as twelve location tokens: projected centre u v, depth, log sizes w h l, rotation.

u and v are relative to the 2-D region the request names, 0 to 1 inside it. The rotation is allocentric
(relative to the viewing ray), written as the first two columns of its matrix. The ranges are those of the
released configuration, which no released code reads; that of the rotation is what a rotation matrix can hold.
Unusual: the unit of depth (0.1 at most, so a scaled, virtual one) and the base of the sizes are nowhere
stated, so both pass through as they are: a data set must fix them. Knows no camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import (
    Range,
    checked,
    read_labelled_values,
    read_values,
    write_values,
)

NUMBERS = 12
RANGE = Range(
    np.array([-0.1] * 2 + [-0.001] + [0.0] * 3 + [-1.0] * 6),
    np.array([1.1] * 2 + [0.1] + [6.0] * 3 + [1.0] * 6),
)
"""Location, depth, log size and rotation; a bin is 1/999 of each."""


@dataclass(frozen=True)
class Cuboids:
    """n 3-D boxes, all arrays float64."""

    centres: np.ndarray
    """[n, 2]: u, v relative to the region."""
    depths: np.ndarray
    """[n]"""
    log_sizes: np.ndarray
    """[n, 3]: w, h, l."""
    rotations: np.ndarray
    """[n, 3, 3]: rotation matrices."""


def write_cuboids(cuboids: Cuboids, labels: Sequence[str] | None = None) -> str:
    """Write 3-D boxes, each followed by its label if there are labels; numbers are clipped to their ranges.

    Raises UIO2Error if shapes do not fit together, a number is not finite, or a matrix is no rotation.
    """
    rotations = np.asarray(cuboids.rotations, np.float64).reshape(-1, 3, 3)
    products = rotations @ rotations.transpose(0, 2, 1)
    if not (np.allclose(products, np.eye(3), atol=1e-4) and (np.linalg.det(rotations) > 0).all()):
        raise UIO2Error("rotations of 3-D boxes must be rotation matrices [n, 3, 3]; one is not orthonormal")
    columns = rotations[:, :, :2].transpose(0, 2, 1).reshape(-1, 6)  # first column, then second
    parts = [
        checked(cuboids.centres, 2, "centres of 3-D boxes"),
        np.asarray(cuboids.depths, np.float64).reshape(-1, 1),
        checked(cuboids.log_sizes, 3, "log sizes of 3-D boxes"),
        columns,
    ]
    counts = [len(part) for part in parts]
    if len(set(counts)) != 1:
        raise UIO2Error(f"centres, depths, log sizes and rotations must be equally many; they are {counts}")
    numbers = checked(np.concatenate(parts, axis=1), NUMBERS, "3-D boxes")  # [n, 12]
    return write_values(RANGE.to_fractions(numbers), labels)


def read_cuboids(text: str, released: bool = False) -> Cuboids:
    """Read 3-D boxes from text, with or without labels behind them; rotations are made orthonormal."""
    return _cuboids(read_values(text, NUMBERS, released))


def read_labelled_cuboids(text: str, released: bool = False) -> tuple[Cuboids, list[str]]:
    """Read 3-D boxes and their labels; boxes without a label are passed over."""
    values, labels = read_labelled_values(text, NUMBERS, released)
    return _cuboids(values), labels


def _cuboids(values: np.ndarray) -> Cuboids:
    numbers = RANGE.to_numbers(values)
    first, second = numbers[:, 6:9], numbers[:, 9:12]
    return Cuboids(numbers[:, :2], numbers[:, 2], numbers[:, 3:6], _orthonormal(first, second))


def _orthonormal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the rotation matrices [n, 3, 3] whose first two columns are nearest in turn to the given ones
    [n, 3]. A column that vanishes, or lies along the first, is replaced by an axis.
    """
    first = _unit(first, np.eye(3)[np.zeros(len(first), np.int64)])
    rest = second - (first * second).sum(axis=1, keepdims=True) * first
    axis = np.eye(3)[np.abs(first).argmin(axis=1)]
    second = _unit(rest, _unit(axis - (first * axis).sum(axis=1, keepdims=True) * first, axis))
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _unit(vectors: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Return vectors [n, 3] of length 1; `otherwise` where they are too short to have a direction."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), otherwise)
