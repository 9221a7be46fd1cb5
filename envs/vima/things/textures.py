"""The 82 textures (49 light, 33 dark) and the neutral gray of object placeholders, drawn by our own code.

Unusual: every picture comes from a formula, the natural ones from seeded noise, and is equal in every
process. The order of `TEXTURES` is part of the benchmark: its first 24 are the default pool of moved
objects, the last 25 that of bases. Refuses to know which object wears a texture and how it is mapped.

Source: VIMA-Bench's published colour values, texture names and their order.
"""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import numpy as np

from envs.vima.things.texture_recipes import PATTERNS, dots, paisley, plain, stripes, swirl

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "blue": (78, 121, 167),
    "red": (255, 87, 89),
    "green": (89, 169, 79),
    "orange": (242, 142, 43),
    "yellow": (237, 201, 72),
    "purple": (176, 122, 161),
    "pink": (255, 157, 167),
    "cyan": (118, 183, 178),
    "olive": (128, 128, 0),
}
GRAY = "gray"
GRAY_COLOUR: Colour = (186, 176, 172)

_PAIRS = (
    ("red", "yellow"), ("red", "green"), ("red", "blue"), ("red", "purple"), ("yellow", "green"),
    ("yellow", "blue"), ("yellow", "purple"), ("green", "blue"), ("green", "purple"), ("blue", "purple"),
)  # fmt: skip
_HUES = ("red", "yellow", "green", "blue", "purple")


@dataclass(frozen=True)
class Texture:
    """A texture's name and the recipe that draws it: `pattern` with the plain `colours` it uses."""

    name: str
    pattern: str
    colours: tuple[str, ...] = ()
    dark: bool = False

    def darkened(self) -> Texture:
        return Texture(f"dark {self.name}", self.pattern, self.colours, dark=True)


def _light() -> list[Texture]:
    natural = [
        Texture(name, name)
        for name in (
            "brick", "tiles", "wooden", "granite", "plastic",
            "polka dot", "checkerboard", "tiger", "magma", "rainbow",
        )
    ]  # fmt: skip
    striped = [Texture(f"{a} and {b} stripe", "stripe", (a, b)) for a, b in _PAIRS]
    dotted = [Texture(f"{a} and {b} polka dot", "dots", (a, b)) for a, b in _PAIRS]
    swirled = [Texture(f"{a} swirl", "swirl", (a,)) for a in _HUES]
    curled = [Texture(f"{a} paisley", "paisley", (a,)) for a in _HUES]
    flat = [Texture(name, "plain", (name,)) for name in COLOURS]
    flat.sort(key=lambda t: list(COLOURS).index(t.name))
    return natural + striped + dotted + swirled + curled + flat


_LIGHT = _light()
_WITH_DARK = [t for t in _LIGHT if t.pattern == "plain" and t.name != "olive"]
_WITH_DARK += [t for pattern in ("stripe", "dots", "swirl") for t in _LIGHT if t.pattern == pattern]

TEXTURES: tuple[str, ...] = tuple(t.name for t in _LIGHT)
"""The 49 light textures in benchmark order."""
DARK: tuple[str, ...] = tuple(f"dark {t.name}" for t in _WITH_DARK)
"""The 33 dark textures: plain colours, stripes, dots, swirls."""
LIGHT_DARK: tuple[str, ...] = tuple(name for t in _WITH_DARK for name in (t.name, f"dark {t.name}"))
"""The 66 alternating light and dark entries that brightness tasks draw from."""

_BY_NAME = {t.name: t for t in _LIGHT + [t.darkened() for t in _WITH_DARK]}


def texture(name: str) -> Texture:
    """Look up a texture by name; `KeyError` for an unknown one."""
    return _BY_NAME[name]


def is_texture(name: str) -> bool:
    return name == GRAY or name in _BY_NAME


def dark_colour(colour: Colour) -> Colour:
    """Lower the HSV value by 0.3, not below 0."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, max(value - 0.3, 0.0))
    return round(red * 255), round(green * 255), round(blue * 255)


@functools.lru_cache(maxsize=8)
def texture_image(name: str) -> np.ndarray:
    """Draw a texture: uint8 (256, 256, 3), read-only, the same in every process.

    Raises `KeyError` for an unknown name.
    """
    if name == GRAY:
        image = plain(GRAY_COLOUR)
    else:
        recipe = _BY_NAME[name]
        colours = [dark_colour(COLOURS[c]) if recipe.dark else COLOURS[c] for c in recipe.colours]
        draw = {"stripe": stripes, "dots": dots, "swirl": swirl, "paisley": paisley, "plain": plain}.get(
            recipe.pattern
        )
        image = draw(*colours) if draw else PATTERNS[recipe.pattern]()
    image.setflags(write=False)
    return image
