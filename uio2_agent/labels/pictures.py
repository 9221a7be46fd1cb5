"""Dense labels as pictures: depth in grey, surface normals in colour, masks white on black; and the way from
the model's square back to the size of the original.

A label is drawn at the size of its picture, uint8; the model answers with a square, float in [0, 1].
Unusual: there are two ways back. `restore` undoes the resize: it takes the rows and columns that hold the
picture, which were cut to whole pixels, and enlarges or averages them to the original size. The official rule
(`official_restore`) takes the nearest pixel of a square as large as the longer side and the middle strip of
that, which shifts the content by up to a pixel of the square and leaves steps at edges.

Knows no model and no files.
"""

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.media.geometry import Placement
from uio2_agent.media.pixels import to_fractions


def depth_picture(depth: np.ndarray, maximum: float) -> np.ndarray:
    """Draw depth [h, w] as grey uint8 [h, w, 3]: black is 0, white is `maximum` and beyond.

    Raises UIO2Error if a depth is negative or NaN, or the maximum is not positive.
    """
    depth = np.asarray(depth, np.float64)
    _check_maximum(maximum)
    if depth.ndim != 2 or not (depth >= 0).all():
        raise UIO2Error(f"depth must be [h, w] and not negative or NaN; it is {list(depth.shape)}: mask it")
    return _grey(np.minimum(depth / maximum, 1))


def read_depth(image: np.ndarray, maximum: float, placement: Placement | None = None) -> np.ndarray:
    """Return the depth, float64 [h, w], of a picture; at its original size if a placement is given."""
    _check_maximum(maximum)
    return _restored(image, placement).mean(axis=-1) * maximum


def normals_picture(normals: np.ndarray) -> np.ndarray:
    """Draw surface normals [h, w, 3] as uint8: x y z from -1 to 1 are red, green, blue from 0 to 255.

    Normals are brought to length 1; those without length (nothing known) become mid-grey.

    Raises UIO2Error for another shape, or a number that is not finite.
    """
    normals = np.asarray(normals, np.float64)
    if normals.ndim != 3 or normals.shape[2] != 3 or not np.isfinite(normals).all():
        raise UIO2Error(f"normals must be finite [h, w, 3]; they are {list(normals.shape)}")
    return _levels((_directions(normals) + 1) / 2)


def read_normals(image: np.ndarray, placement: Placement | None = None) -> np.ndarray:
    """Return the normals of a picture, float64 [h, w, 3] of length 1 (0 for exact mid-grey)."""
    return _directions(_restored(image, placement) * 2 - 1)


def mask_picture(mask: np.ndarray) -> np.ndarray:
    """Draw a mask, bool [h, w], white on black, uint8 [h, w, 3]."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise UIO2Error(f"a mask must be bool [h, w]; it is {mask.dtype} {list(mask.shape)}: compare first")
    return _grey(mask.astype(np.float64))


def read_mask(image: np.ndarray, placement: Placement | None = None) -> np.ndarray:
    """Return where a picture is brighter than 0.5, bool [h, w]; at its original size if a placement is
    given.
    """
    return _restored(image, placement).mean(axis=-1) > 0.5


def restore(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Return the picture inside a square, float64 [h, w, c] of the original size.

    The square may have another size than the placement's (an answer at 256 for a picture placed at 384).
    Linear where the picture was made smaller, averaging where it was enlarged; padding has no part in it.
    """
    pixels = _pixels(image)
    rows, columns = (
        _weights(original, padding * ratio, inside * ratio, side)
        for original, padding, inside, side, ratio in zip(
            placement.original,
            placement.padding,
            placement.scaled,
            pixels.shape[:2],
            np.array(pixels.shape[:2]) / placement.size,
            strict=True,
        )
    )
    return np.einsum("hi,ijc,wj->hwc", rows, pixels, columns, optimize=True)


def official_restore(image: np.ndarray, original: tuple[int, int]) -> np.ndarray:
    """Return a square image at the original size (height, width), as the official code does.

    Nearest pixel at half-pixel centres of a square as large as the longer side, then the middle strip. The
    dtype stays; see `to_uint8` for the official colours.
    """
    height, width = original
    side = max(original)
    nearest = [np.floor((np.arange(side) + 0.5) * (old / side)).astype(np.int64) for old in image.shape[:2]]
    top, left = (side - height) // 2, (side - width) // 2
    return image[nearest[0][top : top + height]][:, nearest[1][left : left + width]]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Return an image as uint8, cut to whole levels after times 255.5, as officially."""
    fractions = to_fractions(np.asarray(image), "the image").astype(np.float32)
    return (fractions * np.float32(255.5)).astype(np.uint8)


def _weights(original: int, start: float, length: float, side: int) -> np.ndarray:
    """Return how much each of `side` pixels adds to each of `original` pixels, [original, side].

    The picture covers `length` pixels from `start` on.
    """
    step = length / original  # pixels of the square per pixel of the picture
    centres = start + (np.arange(original) + 0.5) * step - 0.5
    weights = 1 - np.abs(np.arange(side) - centres[:, None]) / max(step, 1)
    first = min(round(start), side - 1)
    last = max(round(start + length), first + 1)
    weights[:, :first] = 0
    weights[:, last:] = 0
    weights = weights.clip(0)
    return weights / weights.sum(axis=1, keepdims=True)


def _pixels(image: np.ndarray) -> np.ndarray:
    """Return an image [h, w, c] of any type that `media.pixels` has a rule for as float64 in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or 0 in image.shape:
        raise UIO2Error(f"an image must be [height, width, channels]; it is {list(image.shape)}")
    return to_fractions(image, "the image")


def _restored(image: np.ndarray, placement: Placement | None) -> np.ndarray:
    return _pixels(image) if placement is None else restore(image, placement)


def _levels(fractions: np.ndarray) -> np.ndarray:
    return np.rint(fractions * 255).astype(np.uint8)


def _grey(fractions: np.ndarray) -> np.ndarray:
    return np.repeat(_levels(fractions)[..., None], 3, axis=2)


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors [h, w, 3] of length 1, 0 for those without length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def _check_maximum(maximum: float) -> None:
    if not 0 < maximum < np.inf:
        raise UIO2Error(f"the largest depth must be a positive number, got {maximum}")
