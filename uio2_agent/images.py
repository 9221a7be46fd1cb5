"""Pictures to patches: resize, pad, normalise, cut, and leave out what shows nothing (spec section 10.1).

Unusual: a patch that holds only the picture's median colour can be dropped like padding. Drawn for
tabletops, where most of the picture is table. Nothing here knows about batches.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from uio2_agent.errors import RequestError

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
BACKGROUND_TOLERANCE = 4
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


def resize_and_pad(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Fit uint8 [h, w, 3] into size (height, width), keeping the aspect ratio, centred.

    Returns float32 pixels [3, height, width] in [0, 1], zero where padded, and the rows and columns that hold
    the picture. The resize is bilinear with antialiasing.
    """
    height, width = size
    h, w = image.shape[:2]
    scale = min(np.float32(height / h), np.float32(width / w))
    new_h, new_w = max(1, int(np.float32(h) * scale)), max(1, int(np.float32(w) * scale))
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
    if (new_h, new_w) != (h, w):
        planes = F.interpolate(
            planes[None], (new_h, new_w), mode="bilinear", align_corners=False, antialias=True
        )
        planes = planes[0].clamp_(0, 1)
    top, left = (height - new_h) // 2, (width - new_w) // 2
    inside = slice(top, top + new_h), slice(left, left + new_w)
    padded = np.zeros((3, height, width), np.float32)
    padded[:, inside[0], inside[1]] = planes.numpy()
    return padded, inside


def patch_mask(inside: tuple[slice, slice], size: tuple[int, int], patch: int) -> np.ndarray:
    """Return bool [patches]: whether the picture covers the pixel at each patch's centre."""
    covered = []
    for part, side in zip(inside, size, strict=True):
        centres = np.arange(patch // 2, side, patch)
        covered.append((centres >= part.start) & (centres < part.stop))
    return np.outer(*covered).reshape(-1)


def patchify(planes: np.ndarray, patch: int) -> np.ndarray:
    """Cut [channels, height, width] into [patches, channels, patch, patch], in raster order."""
    channels, height, width = planes.shape
    cut = planes.reshape(channels, height // patch, patch, width // patch, patch)
    return cut.transpose(1, 3, 0, 2, 4).reshape(-1, channels, patch, patch)


def image_patches(
    image: np.ndarray,
    size: tuple[int, int],
    patch: int,
    limit: int,
    drop_background: bool,
    what: str = "image",
) -> PatchList:
    """Turn uint8 [h, w, 3] into normalised patches of a picture of the given size.

    Without `drop_background` every patch stays, those on padding with a False mask (as officially). With it
    only patches that show something stay, at least one; more than `limit` lose those of least variance.
    """
    pixels, inside = resize_and_pad(check_image(image, what), size)
    mask = patch_mask(inside, size, patch)
    patches = patchify(pixels, patch)
    positions = np.arange(mask.size)
    if drop_background:
        positions = _foreground(pixels, inside, mask, patch, limit)
        patches, mask = patches[positions], np.ones(len(positions), bool)
    values = patches.transpose(0, 2, 3, 1)  # inside a patch: row, column, channel
    values = (values - CLIP_MEAN) / CLIP_STD
    return PatchList(values.reshape(len(values), -1), positions, mask)


def _foreground(
    pixels: np.ndarray, inside: tuple[slice, slice], mask: np.ndarray, patch: int, limit: int
) -> np.ndarray:
    """Return raster positions of the patches that show more than the median colour."""
    levels = np.rint(pixels * np.float32(255)).astype(np.uint8)
    median = _median_colour(levels[:, inside[0], inside[1]])
    cells = patchify(levels, patch).reshape(mask.size, 3, -1)
    low, high = cells.min(-1).astype(np.int64), cells.max(-1).astype(np.int64)  # [patches, 3]
    away = np.maximum(high - median, median - low)
    background = (np.maximum(high - low, away) <= BACKGROUND_TOLERANCE).all(-1)
    kept = np.flatnonzero(mask & ~background)
    if 0 < len(kept) <= limit:
        return kept
    candidates = kept if len(kept) else np.flatnonzero(mask)
    variance = cells[candidates].astype(np.float32).var(-1).sum(-1)
    ranked = candidates[np.argsort(-variance, kind="stable")]
    return np.sort(ranked[: max(1, min(limit, len(kept)))])


def _median_colour(levels: np.ndarray) -> np.ndarray:
    """Return the (lower) median of each channel of uint8 [3, height, width], int64 [3]."""
    counts = (np.bincount(channel.reshape(-1), minlength=256).cumsum() for channel in levels)
    half = (levels[0].size + 1) // 2
    return np.array([np.searchsorted(count, half) for count in counts])
