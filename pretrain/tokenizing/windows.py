"""The parts of pictures where there is most to see.

Most of a simulator's picture is table or wall, which a tokenizer has learned after a few hundred steps and
which costs as much as all else. A network of convolutions learns from a part as from the whole, so the first
steps of a run may see small parts full of things; the last ones see whole pictures, whose normalisation is
another.
"""

import numpy as np

_DRAWN = 4
"""Windows of which the one with the most detail is taken."""


def detailed_window(
    values: np.ndarray, inside: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a window of values float32 [channels, H, W] and of inside bool [H, W], of `size`: of some drawn
    places the one where neighbouring pixels differ most, padding left out.
    """
    height, width = (min(most, wanted) for most, wanted in zip(inside.shape, size, strict=True))
    rows = rng.integers(inside.shape[0] - height + 1, size=_DRAWN)
    columns = rng.integers(inside.shape[1] - width + 1, size=_DRAWN)
    places = [
        (slice(row, row + height), slice(column, column + width))
        for row, column in zip(rows, columns, strict=True)
    ]
    place = max(places, key=lambda place: _detail(values[:, *place], inside[place]))
    return values[:, *place].copy(), inside[place].copy()


def _detail(values: np.ndarray, inside: np.ndarray) -> float:
    seen = values * inside
    return float(np.abs(np.diff(seen, axis=1)).sum() + np.abs(np.diff(seen, axis=2)).sum())
