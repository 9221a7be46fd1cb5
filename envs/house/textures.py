"""Procedural textures, and which one a material's name means. All our own, made from the name's hash.

A texture is grey around white and takes its colour from the surface that wears it, so that one picture serves
every tint.
"""

import functools
import hashlib
from collections.abc import Callable

import numpy as np

from envs.house.scene import Surface
from envs.house.schema.records import Colour, Material

PIXELS = 256


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def _noise(rng: np.random.Generator, cells: int, across: int | None = None) -> np.ndarray:
    """Smooth noise that wraps around, (PIXELS, PIXELS) about 0 with deviation near 1."""
    grid = rng.standard_normal((cells, across or cells))
    for axis in (0, 1):
        count = grid.shape[axis]
        at = np.arange(PIXELS) * count / PIXELS
        low = at.astype(int)
        share = at - low
        share = (share * share * (3 - 2 * share)).reshape((-1, 1) if axis == 0 else (1, -1))
        grid = np.take(grid, low, axis) * (1 - share) + np.take(grid, (low + 1) % count, axis) * share
    return grid


def _layered(rng: np.random.Generator) -> np.ndarray:
    return _noise(rng, 8) * 0.6 + _noise(rng, 32) * 0.3 + _noise(rng, 128) * 0.15


def _wood(rng: np.random.Generator) -> np.ndarray:
    """Grain along x."""
    return 0.94 + 0.016 * _noise(rng, 64, 4) + 0.012 * _noise(rng, 128, 8) + 0.012 * _noise(rng, 4)


def _planks(rng: np.random.Generator) -> np.ndarray:
    """Eight rows of boards along x with staggered ends."""
    rows, picture = 8, _wood(rng)
    high = PIXELS // rows
    for row in range(rows):
        band = slice(row * high, (row + 1) * high)
        end = rng.integers(PIXELS)
        tone = rng.uniform(-0.07, 0.07, 2)
        side = (np.arange(PIXELS) - end) % PIXELS < PIXELS // 2
        picture[band] += np.where(side, tone[0], tone[1])
        picture[band, [end, (end + PIXELS // 2) % PIXELS]] -= 0.22
        picture[row * high] -= 0.25
    return picture


def _tiles(rng: np.random.Generator) -> np.ndarray:
    side = PIXELS // 4
    tone = np.kron(rng.uniform(-0.035, 0.035, (4, 4)), np.ones((side, side)))
    picture = 0.95 + tone + 0.01 * _layered(rng)
    joint = (np.arange(PIXELS) % side) < 2
    picture[joint] = picture[:, joint] = 0.72
    return picture


def _bricks(rng: np.random.Generator) -> np.ndarray:
    rows, high, wide = 16, PIXELS // 16, PIXELS // 4
    picture = np.empty((PIXELS, PIXELS))
    for row in range(rows):
        tone = np.repeat(rng.uniform(-0.10, 0.06, 4), wide)
        shift = (wide // 2) * (row % 2)
        band = np.tile(0.90 + np.roll(tone, shift), (high, 1))
        band[:, (np.arange(PIXELS) - shift) % wide < 2] = 0.70
        band[:2] = 0.70
        picture[row * high : (row + 1) * high] = band
    return picture + 0.03 * _layered(rng)


def _concrete(rng: np.random.Generator) -> np.ndarray:
    return 0.90 + 0.05 * _layered(rng)


def _marble(rng: np.random.Generator) -> np.ndarray:
    veins = np.abs(_noise(rng, 4) + 0.5 * _noise(rng, 16))
    return 0.97 - 0.08 * np.exp(-veins * 6) + 0.01 * _layered(rng)


def _fabric(rng: np.random.Generator) -> np.ndarray:
    weave = np.indices((PIXELS, PIXELS)).sum(0) % 4 < 2
    return 0.93 + 0.02 * weave + 0.025 * _layered(rng)


def _carpet(rng: np.random.Generator) -> np.ndarray:
    return 0.90 + 0.05 * rng.standard_normal((PIXELS, PIXELS)) + 0.02 * _layered(rng)


PATTERNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "planks": _planks,
    "wood": _wood,
    "tiles": _tiles,
    "bricks": _bricks,
    "concrete": _concrete,
    "marble": _marble,
    "fabric": _fabric,
    "carpet": _carpet,
}


@functools.cache
def texture(key: str) -> np.ndarray:
    """Return a texture, uint8 (256, 256, 3), not to be written to. `key` is a pattern's name."""
    grey = PATTERNS[key](_rng(key))
    picture = np.repeat(np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    picture.flags.writeable = False
    return picture


# words in material names, most telling first → pattern (None: smooth) and metres that one repeat covers
_WORDS: tuple[tuple[str, str | None, float], ...] = (
    ("brick", "bricks", 1.2),
    ("parquet", "planks", 1.2),
    ("tile", "tiles", 1.2),
    ("ceramic", "tiles", 1.2),
    ("marble", "marble", 2.0),
    ("granite", "marble", 2.0),
    ("concrete", "concrete", 2.0),
    ("carpet", "carpet", 1.0),
    ("fabric", "fabric", 0.3),
    ("wood", "planks", 1.4),
    ("oak", "planks", 1.4),
    ("walnut", "planks", 1.4),
    ("drywall", None, 1.0),
    ("plaster", None, 1.0),
)

# colour words, most telling first
_COLOURS: tuple[tuple[str, Colour], ...] = (
    ("pureblack", (0.25, 0.23, 0.22)),
    ("purewhite", (0.98, 0.98, 0.97)),
    ("eggshell", (0.93, 0.90, 0.83)),
    ("porcelain", (0.94, 0.93, 0.90)),
    ("offwhite", (0.93, 0.91, 0.86)),
    ("white", (0.95, 0.94, 0.92)),
    ("black", (0.24, 0.23, 0.23)),
    ("dark", (0.36, 0.25, 0.18)),
    ("light", (0.83, 0.72, 0.56)),
    ("medium", (0.64, 0.47, 0.31)),
    ("red", (0.70, 0.30, 0.25)),
    ("cherry", (0.55, 0.28, 0.18)),
    ("walnut", (0.42, 0.29, 0.20)),
    ("oak", (0.76, 0.60, 0.42)),
    ("yellow", (0.90, 0.80, 0.50)),
    ("orange", (0.88, 0.60, 0.38)),
    ("green", (0.56, 0.68, 0.52)),
    ("teal", (0.40, 0.62, 0.62)),
    ("blue", (0.52, 0.63, 0.76)),
    ("purple", (0.60, 0.50, 0.66)),
    ("pink", (0.88, 0.70, 0.70)),
    ("beige", (0.87, 0.79, 0.66)),
    ("brown", (0.50, 0.36, 0.25)),
    ("grey", (0.66, 0.66, 0.66)),
    ("gray", (0.66, 0.66, 0.66)),
)

_PLAIN = {"floor": ("planks", 1.4), "wall": (None, 1.0), "ceiling": (None, 1.0)}
_WOODS: tuple[Colour, ...] = (
    (0.72, 0.56, 0.39),
    (0.80, 0.66, 0.48),
    (0.58, 0.42, 0.29),
    (0.66, 0.53, 0.40),
    (0.46, 0.33, 0.24),
    (0.85, 0.76, 0.62),
)
_WALLS: tuple[Colour, ...] = (
    (0.90, 0.87, 0.80),
    (0.82, 0.86, 0.84),
    (0.86, 0.82, 0.86),
    (0.88, 0.84, 0.76),
    (0.78, 0.83, 0.88),
    (0.92, 0.88, 0.84),
)


def surface_of(material: Material, place: str) -> Surface:
    """Return how a material looks on a "floor", "wall" or "ceiling": by its colour, else by its name."""
    word = material.name.lower().replace("_", "").replace(" ", "")
    pattern, metres = next(((p, m) for key, p, m in _WORDS if key in word), _PLAIN[place])
    colour = material.colour or next((c for key, c in _COLOURS if key in word), None)
    if colour is None:
        palette = ((0.94, 0.93, 0.91),) if place == "ceiling" else _WOODS if pattern == "planks" else _WALLS
        colour = palette[hashlib.sha256(material.name.encode()).digest()[0] % len(palette)]
    return Surface((*colour, 1.0), pattern, metres, shine=0.15 if place == "floor" else 0.0)
