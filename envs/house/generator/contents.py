"""What the generator furnishes with: the tables of `contents.yaml`, and the pieces of each type it has."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
import yaml

from envs.house.objects.types import object_types

_VARIANTS = 6
_SPREAD = 0.10
"""How much pieces of one type differ in size, as a share."""
_ROUND = {
    "Apple",
    "Tomato",
    "Egg",
    "BasketBall",
    "Plate",
    "Bowl",
    "Cup",
    "Vase",
    "Stool",
    "HousePlant",
    "Pot",
}


@dataclass(frozen=True)
class Piece:
    """One asset of the generator's own. Its name tells its box, so that reading a file needs no table."""

    type: str
    asset: str
    size: tuple[float, float, float]
    """Width (x), height (y), depth (z), metres."""


def piece(type: str, rng: np.random.Generator) -> Piece:
    """Draw a piece of a type."""
    return _pieces(type)[int(rng.integers(_VARIANTS))]


@functools.cache
def _pieces(type: str) -> tuple[Piece, ...]:
    size = object_types()[type].size
    pieces = []
    for number in range(1, _VARIANTS + 1):
        digest = hashlib.sha256(f"{type} {number}".encode()).digest()
        scales = [1 + _SPREAD * (digest[k] / 127.5 - 1) for k in range(3)]
        if type in _ROUND:
            scales[2] = scales[0]
        centimetres = [max(1, round(100 * value * scale)) for value, scale in zip(size, scales, strict=True)]
        asset = f"{type}_{'x'.join(map(str, centimetres))}_{number}"
        pieces.append(Piece(type, asset, tuple(value / 100 for value in centimetres)))
    return tuple(pieces)


@functools.cache
def contents() -> Mapping[str, Mapping]:
    """Return the tables `rooms`, `sets`, `walls`, `tops` and `zones`."""
    return yaml.safe_load(resources.files(__package__).joinpath("contents.yaml").read_text("utf-8"))


def often(entry: float | list) -> tuple[float, int]:
    """Read an entry of a table: (probability, how many at most)."""
    return (float(entry[0]), int(entry[1])) if isinstance(entry, list) else (float(entry), 1)
