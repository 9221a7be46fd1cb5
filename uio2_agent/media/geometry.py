"""Where a picture lies inside the padded square the model sees, and coordinates in both.

Unusual: sizes are cut, not rounded, in float32, as officially, so a picture can lose a pixel. Coordinates are
(y, x) in pixels, boxes (y1, x1, y2, x2). Knows no pixels and no tokens.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Placement:
    """A picture of `original` size fitted into `size`, both (height, width), centred between zeros."""

    original: tuple[int, int]
    size: tuple[int, int]
    scale: float
    """Pixels of the square per pixel of the picture."""
    scaled: tuple[int, int]
    """Size of the picture inside the square."""
    padding: tuple[int, int]
    """Zeros above it and to its left."""

    @classmethod
    def fit(cls, original: tuple[int, int], size: tuple[int, int]) -> Self:
        """Keep the aspect ratio; the longer side fills the square."""
        height, width = original
        scale = min(np.float32(size[0] / height), np.float32(size[1] / width))
        scaled = tuple(max(1, int(np.float32(side) * scale)) for side in original)
        padding = tuple((side - inner) // 2 for side, inner in zip(size, scaled, strict=True))
        return cls((height, width), size, float(scale), scaled, padding)

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the square that show the picture."""
        (top, left), (height, width) = self.padding, self.scaled
        return slice(top, top + height), slice(left, left + width)

    def to_square(self, points: np.ndarray) -> np.ndarray:
        """Return (y, x) pairs in the last axis, [..., 2k], in pixels of the square, for pixels of the
        picture.
        """
        points = np.asarray(points, np.float64)
        return points * self.scale + np.tile(self.padding, points.shape[-1] // 2)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Return (y, x) pairs [..., 2k] in pixels of the picture, clipped to it, for pixels of the square."""
        points = np.asarray(points, np.float64)
        count = points.shape[-1] // 2
        moved = (points - np.tile(self.padding, count)) / self.scale
        return moved.clip(0, np.tile(self.original, count))

    def official(self) -> np.ndarray:
        """Return the official record of the resize, float32 [11]; crop offsets are zero."""
        return np.array([*self.padding, 1 / self.scale, *self.original, 0, 0, 0, 0, *self.scaled], np.float32)
