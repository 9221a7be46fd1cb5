"""Pictures to patches: resize, pad, normalise, cut, and leave out what shows nothing.

Unusual: a patch that holds only the picture's median colour can be dropped like padding. Drawn for
tabletops, where most of the picture is table. Nothing here knows about batches.
"""

import functools
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F

from uio2_agent.errors import RequestError
from uio2_agent.media.geometry import Placement

CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
BACKGROUND_TOLERANCE = 4
"""Largest range of a background patch and distance to the median colour, of 255."""
KEPT = 48
"""Pictures whose patches are kept where they may come again: a few episodes' prompts."""


@dataclass(frozen=True)
class PatchList:
    """Patches of one picture: values float32 [N, patch dim], raster positions int64 [N], mask bool [N]."""

    values: np.ndarray
    positions: np.ndarray
    mask: np.ndarray

    def sample(self, limit: int, generator: np.random.Generator) -> Self:
        """Keep at most `limit` patches: valid ones in a drawn order, then masked ones in a drawn order.

        Positions keep the order drawn. Nothing is drawn where all patches fit.
        """
        if len(self.mask) <= limit:
            return self
        valid, masked = np.flatnonzero(self.mask), np.flatnonzero(~self.mask)
        kept = np.concatenate([generator.permutation(valid), generator.permutation(masked)])[:limit]
        return type(self)(self.values[kept], self.positions[kept], self.mask[kept])


def check_image(image: np.ndarray, what: str) -> np.ndarray:
    """Return the image if it is uint8 [height, width, 3]; otherwise say what it is."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise RequestError(
            f"{what} must be uint8 [height, width, 3]; it is {image.dtype} {list(image.shape)}"
        )
    return image


def resize_and_pad(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Placement]:
    """Fit uint8 [h, w, 3] into size (height, width), keeping the aspect ratio, centred.

    Returns float32 pixels [3, height, width] in [0, 1], zero where padded, and where the picture lies. The
    resize is bilinear with antialiasing.
    """
    placement = Placement.fit(image.shape[:2], size)
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
    if placement.scaled != placement.original:
        planes = F.interpolate(
            planes[None], placement.scaled, mode="bilinear", align_corners=False, antialias=True
        )
        planes = planes[0].clamp_(0, 1)
    padded = np.zeros((3, *size), np.float32)
    padded[:, *placement.inside] = planes.numpy()
    return padded, placement


def resize_nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize [height, width, ...] to size: each pixel is the one its centre falls into, in float32."""
    picked = []
    for old, new in zip(image.shape, size, strict=False):
        centres = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new)
        picked.append(np.minimum(centres.astype(np.int64), old - 1))
    return image[np.ix_(*picked)]


def resize_over(image: np.ndarray, placement: Placement, size: tuple[int, int]) -> np.ndarray:
    """Lay uint8 [h, w, 3] over the picture of a placement, and bring that square to size; all by the nearest
    pixel. Returns float32 pixels [height, width, 3] in [0, 1], zero where padded.
    """
    square = np.zeros((*placement.size, 3), np.float32)
    square[placement.inside] = resize_nearest(image, placement.scaled).astype(np.float32) / 255
    return resize_nearest(square, size)


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
    pixels, placement = resize_and_pad(check_image(image, what), size)
    mask = patch_mask(placement.inside, size, patch)
    patches = patchify(pixels, patch)
    positions = np.arange(mask.size)
    if drop_background:
        positions = _foreground(pixels, placement.inside, mask, patch, limit)
        patches, mask = patches[positions], np.ones(len(positions), bool)
    values = patches.transpose(0, 2, 3, 1)  # inside a patch: row, column, channel
    values = (values - CLIP_MEAN) / CLIP_STD
    return PatchList(values.reshape(len(values), -1), positions, mask)


def kept_image_patches(
    image: np.ndarray,
    size: tuple[int, int],
    patch: int,
    limit: int,
    drop_background: bool,
    what: str = "image",
) -> PatchList:
    """Return the same, not to be written to; the last `KEPT` of this process are not cut again."""
    image = check_image(image, what)
    return _kept(image.shape, image.tobytes(), size, patch, limit, drop_background)


@functools.lru_cache(maxsize=KEPT)
def _kept(
    shape: tuple[int, ...],
    content: bytes,
    size: tuple[int, int],
    patch: int,
    limit: int,
    drop_background: bool,
) -> PatchList:
    found = image_patches(
        np.frombuffer(content, np.uint8).reshape(shape), size, patch, limit, drop_background
    )
    for array in (found.values, found.positions, found.mask):
        array.flags.writeable = False
    return found


def _foreground(
    pixels: np.ndarray, inside: tuple[slice, slice], mask: np.ndarray, patch: int, limit: int
) -> np.ndarray:
    """Return raster positions of the patches that show more than the median colour; padding shows nothing."""
    if not mask.any():  # too thin to reach the centre of any patch: the one its own centre falls into
        row, column = ((part.start + part.stop - 1) // 2 // patch for part in inside)
        return np.array([row * (pixels.shape[2] // patch) + column])
    shown = np.rint(pixels[:, *inside] * np.float32(255)).astype(np.uint8)
    median = _median_colour(shown)
    levels = np.empty(pixels.shape, np.uint8)
    levels[:] = median[:, None, None]
    levels[:, *inside] = shown
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
    middle = (levels[0].size + 1) // 2 - 1
    return np.partition(levels.reshape(3, -1), middle, axis=-1)[:, middle].astype(np.int64)
