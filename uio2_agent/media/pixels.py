"""The numbers of a picture, of any type, as fractions or bytes: one rule for arrays, files and PIL pictures.

| type | black | white |
| --- | --- | --- |
| bool | False | True |
| uint8 | 0 | 255 |
| uint16 | 0 | 65535 |
| any other whole number, signed or not | 0 | 255 |
| any float | 0 | 1 |

Unusual: nothing is scaled by what a picture happens to hold. Numbers that the rule has no place for, and
those that were most likely meant for another row of the table (a mask of 0 and 1 as int64, bytes as uint16),
are refused with their type and range. Knows no files.
"""

import numpy as np
from PIL import Image, ImageOps

from uio2_agent.errors import RequestError

_DEEP = ("PNG", "PPM")
"""File formats whose whole numbers are 16-bit where PIL opens them as 32-bit (mode I)."""

_ROUNDING = 1e-6
"""A float may be this far outside of [0, 1], as resizing and weighted means leave it; it is cut."""


def to_fractions(array: np.ndarray, what: str = "image") -> np.ndarray:
    """Return the numbers of a picture as float64 in [0, 1], of the same shape.

    Raises RequestError that names type and range if the rule has no place for them.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "biuf":
        raise RequestError(f"{what} holds {array.dtype}: hand in bytes, or floats between 0 and 1")
    if not array.size:
        return array.astype(np.float64)
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RequestError(f"{what} holds {array.dtype} with NaN or infinity: hand in floats between 0 and 1")
    if kind == "b":
        return array.astype(np.float64)
    white = 1 if kind == "f" else 65_535 if kind == "u" and size == 2 else 255
    held = f"{what} holds {array.dtype} from {low} to {high}"
    slack = _ROUNDING if kind == "f" else 0
    if low < -slack or high > white + slack:
        raise RequestError(
            f"{held}, outside of 0 to {white}: hand in bytes (uint8), 16-bit levels (uint16), or floats "
            "between 0 and 1"
        )
    if white == 65_535 and 0 < high <= 255:
        raise RequestError(f"{held}, all but black at 16 bit: hand in bytes as uint8, or scale to 65535")
    if white == 255 and size > 1 and high == 1:
        raise RequestError(f"{held}, all but black of 255: hand in a mask as bool, or floats between 0 and 1")
    return (array.astype(np.float64) / white).clip(0, 1)


def to_levels(array: np.ndarray, what: str = "image") -> np.ndarray:
    """Return the numbers of a picture as bytes, the nearest levels; RequestError as in `to_fractions`."""
    if array.dtype == np.uint8:
        return array
    return np.rint(to_fractions(array, what) * 255).astype(np.uint8)


def to_rgb(array: np.ndarray, what: str = "image") -> np.ndarray:
    """Return uint8 [height, width, 3] of [height, width], with 1, 3 or 4 channels behind or in front.

    A fourth channel is opacity; what is transparent becomes white.

    Raises RequestError for another shape, or numbers that the rule has no place for.
    """
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise RequestError(
            f"{what} must be [height, width] or have 1, 3 or 4 channels; it is {list(array.shape)}"
        )
    levels = to_levels(array, what)
    if levels.shape[2] == 4:
        return picture_to_rgb(Image.fromarray(np.ascontiguousarray(levels), "RGBA"), what)
    return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))


def picture_to_rgb(picture: Image.Image, what: str = "image") -> np.ndarray:
    """Return uint8 [height, width, 3] of a PIL picture of any mode, upright as its EXIF orientation says.

    Modes of single numbers wider than a byte (F, I, I;16) follow the rule of arrays; colours of 16 bit are
    read by PIL at their upper 8.
    """
    is_deep = picture.mode == "I" and picture.format in _DEEP
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F" or picture.mode.startswith("I"):
        array = np.asarray(picture)
        return to_rgb(array.astype(np.uint16) if is_deep else array, what)
    if picture.mode == "La":
        raise RequestError(f"{what} is a PIL picture of mode La: convert it to LA where it was made")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))
