"""Pictures to patches: resize, pad, normalise, cut, and leave out what shows nothing (spec section 10.1).

Unusual: a patch that holds only the picture's median colour can be dropped like padding. Drawn for tabletops, where
most of the picture is table. Nothing here knows about batches.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from uio2_agent.errors import RequestError

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
BACKGROUND_TOLERANCE = 4.0
"""Largest range of a background patch and distance to the median colour, of 255."""


@dataclass(frozen=True)
class PatchList:
    """Patches of one picture: values float32 [N, patch dim], raster positions int64 [N], mask bool [N]."""

    values: np.ndarray
    positions: np.ndarray
    mask: np.ndarray


def check_image(image: np.ndarray, what: str) -> np.ndarray:
    """Return the image if it is uint8 [height, width, 3]; otherwise say what it is."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise RequestError(
            f"{what} must be uint8 [height, width, 3]; it is {image.dtype} {list(image.shape)}"
        )
    return image


def resize_and_pad(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Fit uint8 [h, w, 3] into size (height, width): float32 pixels in [0, 1], zero-padded, and their mask [height, width].

    Keeps the aspect ratio, centres, resizes bilinearly with antialiasing.
    """
    height, width = size
    h, w = image.shape[:2]
    scale = min(np.float32(height / h), np.float32(width / w))
    new_h, new_w = int(np.float32(h) * scale), int(np.float32(w) * scale)
    pixels = image.astype(np.float32) / np.float32(255)
    if (new_h, new_w) != (h, w):
        planes = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        planes = F.interpolate(planes, (new_h, new_w), mode="bilinear", align_corners=False, antialias=True)
        pixels = planes[0].permute(1, 2, 0).numpy().clip(0, 1)
    top, left = (height - new_h) // 2, (width - new_w) // 2
    padded = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width), bool)
    padded[top : top + new_h, left : left + new_w] = pixels
    mask[top : top + new_h, left : left + new_w] = True
    return padded, mask


def patchify(pixels: np.ndarray, patch: int) -> np.ndarray:
    """Cut [height, width, channels] into [patches, patch * patch * channels]: raster order, inside row, column, channel."""
    height, width, channels = pixels.shape
    cut = pixels.reshape(height // patch, patch, width // patch, patch, channels).transpose(0, 2, 1, 3, 4)
    return cut.reshape(-1, patch * patch * channels)


def image_patches(
    image: np.ndarray,
    size: tuple[int, int],
    patch: int,
    limit: int,
    drop_background: bool,
    what: str = "image",
) -> PatchList:
    """Turn uint8 [h, w, 3] into normalised patches of a picture of the given size.

    Without `drop_background` every patch stays, those on padding with a False mask (the official batch). With it only
    patches that show something stay, at least one; more than `limit` lose those of least variance.
    """
    pixels, pixel_mask = resize_and_pad(check_image(image, what), size)
    mask = pixel_mask[patch // 2 :: patch, patch // 2 :: patch].reshape(-1)
    positions = np.arange(mask.size)
    if drop_background:
        kept = _foreground(pixels, pixel_mask, mask, patch, limit)
        values = patchify(pixels, patch)[kept].reshape(len(kept), -1, 3)
        positions, mask = kept, np.ones(len(kept), bool)
    else:
        values = patchify(pixels, patch).reshape(mask.size, -1, 3)
    values = (values - CLIP_MEAN) / CLIP_STD
    return PatchList(values.reshape(len(values), -1), positions, mask)


def _foreground(
    pixels: np.ndarray, pixel_mask: np.ndarray, mask: np.ndarray, patch: int, limit: int
) -> np.ndarray:
    """Return raster positions of the patches that show more than the median colour."""
    levels = patchify(np.rint(pixels * 255), patch).reshape(mask.size, -1, 3)  # [patches, pixels, 3]
    median = _median_colour(levels, patchify(pixel_mask[..., None], patch))
    low, high = levels.min(1), levels.max(1)
    away = np.maximum(high - median, median - low)
    background = (np.maximum(high - low, away) <= BACKGROUND_TOLERANCE).all(-1)
    kept = np.flatnonzero(mask & ~background)
    if 0 < len(kept) <= limit:
        return kept
    candidates = kept if len(kept) else np.flatnonzero(mask)
    variance = levels[candidates].var(1).sum(-1)
    ranked = candidates[np.argsort(-variance, kind="stable")]
    return np.sort(ranked[: max(1, min(limit, len(kept)))])


def _median_colour(levels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    colours = levels[valid].astype(np.int64)  # [valid pixels, 3]
    counts = (np.bincount(colours[:, channel], minlength=256).cumsum() for channel in range(3))
    return np.array([np.searchsorted(count, (len(colours) + 1) // 2) for count in counts], np.float32)
