"""Look → builder of parts."""

import hashlib
from collections.abc import Callable

from envs.house.scene import Part, Surface

Builder = Callable[["Shape"], list[Part]]


class Shape:
    """What a builder is given: the box to fill, and choices that depend only on the asset's name."""

    def __init__(self, asset: str, size: tuple[float, float, float]) -> None:
        self.width, self.depth, self.height = size
        self._digest = hashlib.sha256(asset.encode()).digest()

    def choice(self, options, place: int = 0):
        return options[self._digest[place] % len(options)]


def _block(shape: Shape) -> list[Part]:
    colour = shape.choice(((0.7, 0.6, 0.5), (0.5, 0.6, 0.7), (0.65, 0.7, 0.55), (0.75, 0.55, 0.5)))
    return [Part("box", (shape.width, shape.depth, shape.height), surface=Surface((*colour, 1.0)))]


LOOKS: dict[str, Builder] = {"block": _block}


def look_of(look: str, asset: str, size: tuple[float, float, float]) -> tuple[Part, ...]:
    """Return the parts of an object.

    Args:
        look: a key of `LOOKS`.
        asset: its asset id, which chooses among variants.
        size: its box (x, y, z) in the scene's frame: width, depth (front at +y), height.
    """
    return tuple(LOOKS.get(look, _block)(Shape(asset, size)))
