"""Which patches of a request's pictures and sounds the encoder does not see, and which target tokens those.

Unusual: the rasters of one picture differ (24 x 24 patches and 32 x 32 tokens officially), so that a mask of
one is brought to the other: of patches to tokens by the nearest patch, as released; of tokens to patches so
that no patch that shows any part of a hidden token is seen.
"""

from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import RequestError
from uio2_agent.media.images import PatchList, resize_nearest


@dataclass(frozen=True)
class Hidden:
    """Masks over the rasters of input patches, True where a patch is hidden from the encoder.

    Each is bool [rows, columns] of the input's own grid (24 x 24 of an image officially, 16 x 8 of a sound,
    time first), or None where nothing is hidden. Histories have one for each piece of the request, or are
    empty. That of an image or a sound may be bool [tokens] of the target's raster instead, in the order in
    which they are decoded.
    """

    image: np.ndarray | None = None
    image_history: tuple[np.ndarray | None, ...] = ()
    audio: np.ndarray | None = None
    audio_history: tuple[np.ndarray | None, ...] = ()

    def of(self, modality: str, pieces: int) -> tuple[np.ndarray | None, ...]:
        """Return a mask, or None, for each of the request's pieces of a modality.

        Raises RequestError where there are masks, but not one for each.
        """
        held = getattr(self, modality)
        masks = held if isinstance(held, tuple) else () if held is None else (held,)
        if masks and len(masks) != pieces:
            raise RequestError(
                f"{len(masks)} masks of hidden patches for {pieces} inputs of {modality}: hand in one each"
            )
        return masks or (None,) * pieces


NOTHING_HIDDEN = Hidden()


def leave_out(
    patches: PatchList, hidden: np.ndarray | None, grid: tuple[int, int], tokens: tuple[int, int] | None
) -> PatchList:
    """Return the patches without those that are hidden.

    Arguments:
        hidden: bool [rows, columns] of patches, or [tokens] of the target.
        grid: rows and columns of the patches.
        tokens: rows and columns of a target of this modality; None if there can be none.
    """
    if hidden is None:
        return patches
    if hidden.ndim == 1 and tokens is not None:
        hidden = _touched(_checked(hidden, (tokens[0] * tokens[1],)).reshape(tokens), grid)
    kept = ~_checked(hidden, grid).reshape(-1)[patches.positions]
    return PatchList(patches.values[kept], patches.positions[kept], patches.mask[kept])


def hidden_tokens(hidden: np.ndarray, tokens: tuple[int, int]) -> np.ndarray:
    """Return which tokens bool [rows * columns] of a target were hidden, of a mask of either raster."""
    if hidden.ndim == 1:
        return _checked(hidden, (tokens[0] * tokens[1],))
    return resize_nearest(hidden, tokens).reshape(-1)


def _touched(mask: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Return bool [rows, columns] of another grid over the same square: cells that overlap a True one."""
    rows, columns = (_shares(new, old) for new, old in zip(grid, mask.shape, strict=True))
    return (rows.astype(np.int64) @ mask @ columns.T) > 0


def _shares(new: int, old: int) -> np.ndarray:
    """Return bool [new, old]: which of two cuttings of one length into equal parts overlap."""
    first, second = np.arange(new)[:, None], np.arange(old)[None]
    return (first * old < (second + 1) * new) & (second * new < (first + 1) * old)


def _checked(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mask if it is bool of a shape; RequestError says what it is."""
    if mask.dtype != bool or mask.shape != shape:
        raise RequestError(
            f"a mask of hidden patches must be bool {list(shape)}; it is {mask.dtype} {list(mask.shape)}"
        )
    return mask
