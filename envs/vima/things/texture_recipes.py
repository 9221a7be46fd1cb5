"""How each kind of texture is drawn: uint8 (256, 256, 3) pictures from formulas and seeded noise.

Unusual: the natural textures are thresholded value noise and Worley cells whose seeds are constants. They
take long to draw, a third of a second for all, so what these recipes drew lies beside them in a file:
`np.savez_compressed(KEPT, **draw_kept())` writes it anew, and a test draws and compares. Means and feature
sizes follow measured statistics of the benchmark's pictures. Refuses to know texture names (`textures.py`)
and objects.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIDE = 256
KEPT = Path(__file__).with_name("natural_textures.npz")
"""The natural textures and the paisley mask as drawn, by name."""

Colour = tuple[int, int, int]

_ROW, _COLUMN = np.mgrid[0:SIDE, 0:SIDE]
# pixel centres in [0, 1): _U along the columns, _V along the rows
_U, _V = (_COLUMN + 0.5) / SIDE, (_ROW + 0.5) / SIDE
_WHITE = (255, 255, 255)


def plain(colour: Colour) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def stripes(first: Colour, second: Colour) -> np.ndarray:
    """Ten periods of vertical bars, half and half."""
    return _choose(_stripe_mask(), first, second)


@functools.cache
def _stripe_mask() -> np.ndarray:
    return (_U * 10) % 1.0 < 0.5


def dots(dot: Colour, ground: Colour) -> np.ndarray:
    """Rows of six slightly elliptical dots, every second row shifted by half a pitch; a fifth of the area."""
    return _choose(_dot_mask(), dot, ground)


@functools.cache
def _dot_mask() -> np.ndarray:
    inside = np.zeros((SIDE, SIDE), bool)
    for u, v in ((0.80, 0.145), (0.80 + 1 / 12, 0.145 + 1 / 12)):
        du = ((_U - u) * 6 + 0.5) % 1.0 - 0.5
        dv = ((_V + v) * 6 + 0.5) % 1.0 - 0.5
        inside |= (du / 0.163) ** 2 + (dv / 0.185) ** 2 < 1
    return inside


def swirl(colour: Colour) -> np.ndarray:
    """Sixteen arms that wind out of the centre, colour and white half and half."""
    return _choose(_swirl_mask(), colour, _WHITE)


@functools.cache
def _swirl_mask() -> np.ndarray:
    x, y = _U - 0.5, _V - 0.5
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    return (16 * angle / (2 * np.pi) + 10 * radius) % 1.0 < 0.53


def paisley(colour: Colour) -> np.ndarray:
    """White drops, rings and curls on the colour; about a third of the area is white."""
    return _choose(_paisley_mask(), _WHITE, colour)


@functools.cache
def _paisley_mask() -> np.ndarray:
    return _kept("paisley")


def _draw_paisley_mask() -> np.ndarray:
    rng = np.random.default_rng(36)
    warp_u, warp_v = _noise(rng, 12), _noise(rng, 12)
    u, v = _U + 0.012 * warp_u, _V + 0.012 * warp_v
    sites = _jittered_sites(rng, 7)
    distances, indices = _nearest(sites, u, v, 1, reach=0.13)
    distance, index = distances[..., 0], indices[..., 0]
    offset = np.stack([u, v], -1) - sites[index]
    turn = rng.uniform(0, 2 * np.pi, len(sites))[index]
    angle = np.arctan2(offset[..., 1], offset[..., 0]) + turn
    # a rosette around each site: petals between two rings, a curl that opens outwards, a dotted rim
    petals = (np.cos(9 * angle) > 0.1) & (distance > 0.018) & (distance < 0.034)
    rim = np.abs(distance - 0.044 - 0.004 * np.cos(9 * angle)) < 0.0045
    curl = (np.cos(2 * np.pi * distance / 0.026 + 2 * angle) > 0.5) & (distance > 0.054)
    core = distance < 0.011
    return petals | rim | curl | core


def _brick() -> np.ndarray:
    rng = np.random.default_rng(1)
    courses, per_course = 13, 5
    course = np.floor(_V * courses).astype(int)
    along = _U * per_course + 0.5 * (course % 2)
    brick = np.floor(along).astype(int) % per_course
    tone = rng.normal(0, 7, (courses, per_course))[course % courses, brick]
    mortar = ((_V * courses) % 1.0 < 0.12) | (along % 1.0 < 0.05)
    body = np.array([186, 112, 94]) + (tone + 8 * _noise(rng, 40) + 5 * _noise(rng, 110))[..., None]
    joint = np.array([206, 190, 172]) + 10 * _noise(rng, 90)[..., None]
    return _to_bytes(np.where(mortar[..., None], joint, body))


def _tiles() -> np.ndarray:
    rng = np.random.default_rng(2)
    columns, rows = 20, 22
    sites = np.array(
        [((i + 0.5 * (j % 2)) / columns, j / rows) for j in range(rows + 1) for i in range(columns + 1)]
    )
    sites += rng.uniform(-0.002, 0.002, sites.shape)
    distances, indices = _nearest(sites, _U, _V, 2, reach=0.06)
    gap = distances[..., 1] - distances[..., 0]
    tones = np.array(
        [[166, 176, 168], [186, 154, 144], [142, 158, 150], [154, 154, 160], [192, 194, 180], [134, 152, 164]]
    )
    body = tones[rng.integers(0, len(tones), len(sites))][indices[..., 0]]
    body = body + 8 * _noise(rng, 80)[..., None]
    return _to_bytes(np.where(gap[..., None] < 0.0068, np.array([52, 50, 50]), body))


def _wooden() -> np.ndarray:
    rng = np.random.default_rng(3)
    planks = 8
    plank = np.floor(_U * planks).astype(int)
    tone = rng.normal(0, 7, planks)[plank]
    shift = rng.uniform(0, 1, planks)[plank]
    grain = _stretched(rng, 90, 5, shift)
    fine = _stretched(rng, 200, 14, shift)
    seam = (_U * planks) % 1.0 < 0.035
    body = np.array([218, 175, 126]) + (tone + 8 * grain + 5 * fine)[..., None] * np.array([1.0, 1.05, 1.15])
    return _to_bytes(body - 38 * seam[..., None])


def _granite() -> np.ndarray:
    rng = np.random.default_rng(4)
    body = np.array([180, 193, 188]) + (14 * _noise(rng, 45) + 9 * _noise(rng, 110))[..., None]
    flecks = _noise(rng, 60) + 0.5 * _noise(rng, 25)
    pale = np.clip((flecks - 1.3) * 3, 0, 1)[..., None]
    dark = np.clip((-flecks - 1.75) * 3, 0, 1)[..., None]
    body = body * (1 - pale) + np.array([222, 224, 208]) * pale
    return _to_bytes(body * (1 - dark) + np.array([50, 62, 88]) * dark)


def _plastic() -> np.ndarray:
    rng = np.random.default_rng(5)
    folds = np.zeros((SIDE, SIDE))
    bends = [0.05 * _noise(rng, 3) for _ in range(4)]
    patches = [_noise(rng, 3) > 0 for _ in range(4)]
    for i in range(24):
        angle, offset, width = rng.uniform(0, np.pi), rng.uniform(-0.6, 0.6), rng.uniform(0.004, 0.02)
        away = (_U[:1] - 0.5) * np.cos(angle) + (_V[:, :1] - 0.5) * np.sin(angle)
        away -= offset
        away += bends[i % 4]
        fold = np.exp(np.divide(np.abs(away, out=away), -width, out=away), out=away)
        fold *= patches[i // 6]
        folds += np.multiply(fold, rng.choice([-1, 1]), out=fold)
    return _to_bytes(224 + (16 * folds + 8 * _noise(rng, 5))[..., None] + np.array([0.4, -0.4, -0.2]))


def _checkerboard() -> np.ndarray:
    rng = np.random.default_rng(7)
    light = (np.floor(_U * 6) + np.floor(_V * 6)) % 2 == 0
    wear = (5 * _noise(rng, 20) + 5 * _noise(rng, 70))[..., None]
    groove = ((_U * 6) % 1.0 < 0.02) | ((_V * 6) % 1.0 < 0.02)
    body = np.where(light[..., None], np.array([194, 188, 174]), np.array([80, 79, 75])) + wear
    return _to_bytes(np.where(groove[..., None], np.array([58, 56, 52]), body))


def _tiger() -> np.ndarray:
    rng = np.random.default_rng(8)
    phase = _U * 13 + 0.9 * _noise(rng, 4) + 0.35 * _noise(rng, 10)
    width = 0.22 + 0.45 * _noise(rng, 5)
    flame = np.clip((np.cos(2 * np.pi * phase) + width) * 4 + 0.5, 0, 1)[..., None]
    fur = np.array([232, 152, 28]) + 10 * _stretched(rng, 120, 14, np.zeros((SIDE, SIDE)))[..., None]
    return _to_bytes(fur * flame + np.array([14, 9, 4]) * (1 - flame))


def _magma() -> np.ndarray:
    rng = np.random.default_rng(9)
    ridge = np.zeros((SIDE, SIDE))
    for cells, weight in ((9, 1.0), (18, 0.7), (36, 0.45)):
        ridge += weight * np.exp(-np.abs(_noise(rng, cells)) / 0.11)
    heat = np.clip(ridge * np.clip(1.05 + 0.5 * _noise(rng, 5), 0, 1.8), 0, 1.8)
    return _to_bytes(np.stack([12 + 205 * heat, 2 + 66 * heat**1.6, 1 + 12 * heat**2], -1))


# heights above the picture's lower edge (fractions) and the colour there
_RAINBOW = (
    (0.00, (255, 0, 1)), (0.10, (255, 0, 1)), (0.13, (255, 24, 0)), (0.17, (255, 80, 1)),
    (0.19, (255, 134, 0)), (0.25, (255, 216, 0)), (0.29, (160, 214, 14)), (0.33, (64, 202, 28)),
    (0.38, (4, 180, 60)), (0.43, (0, 192, 108)), (0.47, (0, 218, 168)), (0.50, (0, 234, 228)),
    (0.53, (0, 216, 253)), (0.57, (0, 156, 226)), (0.60, (0, 72, 184)), (0.65, (0, 14, 150)),
    (0.70, (26, 0, 140)), (0.80, (130, 0, 170)), (0.92, (240, 0, 210)), (1.00, (255, 0, 160)),
)  # fmt: skip


def _rainbow() -> np.ndarray:
    """A vertical gradient: red at the bottom over yellow, green, cyan and blue to magenta at the top."""
    heights, colours = zip(*_RAINBOW, strict=True)
    column = np.stack(
        [np.interp(1 - _V[:, 0], heights, channel) for channel in zip(*colours, strict=True)], -1
    )
    return _to_bytes(np.repeat(column[:, None], SIDE, axis=1))


def _black_dots() -> np.ndarray:
    return dots((0, 0, 0), (255, 255, 255))


def _kept(name: str) -> np.ndarray:
    with np.load(KEPT) as pictures:
        return pictures[name]


NATURAL: dict[str, Callable[[], np.ndarray]] = {
    "brick": _brick,
    "tiles": _tiles,
    "wooden": _wooden,
    "granite": _granite,
    "plastic": _plastic,
    "checkerboard": _checkerboard,
    "tiger": _tiger,
    "magma": _magma,
}
"""Those of noise."""
PATTERNS: dict[str, Callable[[], np.ndarray]] = {
    **{name: functools.partial(_kept, name) for name in NATURAL},
    "polka dot": _black_dots,
    "rainbow": _rainbow,
}
"""The ten textures without a colour argument."""


def _choose(mask: np.ndarray, where_true: Colour, where_false: Colour) -> np.ndarray:
    return np.take(np.array([where_false, where_true], np.uint8), mask.view(np.uint8), axis=0)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


_FREQUENCY = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]


def _noise(rng: np.random.Generator, cells: float, cells_along: float | None = None) -> np.ndarray:
    """Periodic smooth noise of zero mean and unit variance: (256, 256).

    About `cells` features lie along u, as many along v unless `cells_along` says otherwise.
    """
    widths = SIDE / (cells_along or cells) / 3, SIDE / cells / 3
    exponent = sum((width * frequency) ** 2 for width, frequency in zip(widths, _FREQUENCY, strict=True))
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * np.exp(-2 * np.pi**2 * exponent)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return noise / noise.std()


def _stretched(
    rng: np.random.Generator, cells_across: int, cells_along: int, shift: np.ndarray
) -> np.ndarray:
    """Noise that is fine along u and long along v, moved along v by `shift` (fraction of the side, per
    pixel).
    """
    noise = _noise(rng, cells_across, cells_along)
    return noise[(_ROW + (shift * SIDE).astype(int)) % SIDE, _COLUMN]


def _nearest(
    sites: np.ndarray, u: np.ndarray, v: np.ndarray, count: int, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distances to and indices of the `count` nearest sites of every pixel: (256, 256, count) each.

    `u` and `v` are the pixels' places, moved a little or not; the nearest sites are less than `reach` away.
    Each block of pixels is compared with the sites about it.
    """
    distances, indices = np.empty((*u.shape, count)), np.empty((*u.shape, count), int)
    side = 32
    for row, column in np.ndindex(SIDE // side, SIDE // side):
        block = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        low = np.array([u[block].min(), v[block].min()]) - reach
        high = np.array([u[block].max(), v[block].max()]) + reach
        near = np.flatnonzero(((sites > low) & (sites < high)).all(1))
        apart = (u[block][..., None] - sites[near, 0]) ** 2 + (v[block][..., None] - sites[near, 1]) ** 2
        apart = np.sqrt(apart).reshape(side * side, -1)
        for rank in range(count):
            first = apart.argmin(1)
            distances[block][..., rank] = apart[np.arange(len(apart)), first].reshape(side, side)
            indices[block][..., rank] = near[first].reshape(side, side)
            apart[np.arange(len(apart)), first] = np.inf
    return distances, indices


def _jittered_sites(rng: np.random.Generator, count: int) -> np.ndarray:
    """One site per cell of a count × count grid plus a margin of one cell: ((count + 2)², 2) in texture
    units.
    """
    grid = np.stack(np.meshgrid(np.arange(-1, count + 1), np.arange(-1, count + 1)), -1).reshape(-1, 2)
    return (grid + 0.5 + rng.uniform(-0.25, 0.25, grid.shape)) / count


def draw_kept() -> dict[str, np.ndarray]:
    """Draw everything that is kept, by name: pictures, and the paisley mask, bool (256, 256)."""
    return {**{name: draw() for name, draw in NATURAL.items()}, "paisley": _draw_paisley_mask()}
