"""Which token of a picture to be drawn stands for the place of each patch of the picture before it.

Unified-IO 2 (arXiv 2312.17172) lays an image target over the request's image, so that a patch has a token of
its own. A body may have less drawn than is seen, one view of two.
"""

import numpy as np

from policies.prompts import Body, Sizes, drawn_rows
from policies.style import PromptStyle
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.media.geometry import Placement

NOWHERE = -1


def tokens_of_patches(body: Body, style: PromptStyle, sizes: Sizes, config: UnifiedIO2Config) -> np.ndarray:
    """Return int64 [rows * columns] of the grid of patches: the number of a token, or -1 where a patch's
    centre lies outside what is drawn.

    `style` has all its cameras named; `sizes` are those of the cameras' pictures.
    """
    drawn, picture = drawn_rows(body, style, sizes)
    found = np.full(config.image_grid, NOWHERE)
    if drawn is None:
        return found.reshape(-1)
    patch, grid = config.image_encoder.patch_size, config.image_tokenizer.grid
    placed = Placement.fit(picture, config.image_size)
    laid = (drawn, slice(0, picture[1]))
    along = []
    for axis, part in enumerate(laid):
        centres = (np.arange(config.image_grid[axis]) + 0.5) * patch  # [rows or columns] pixels of the square
        seen = (centres - placed.padding[axis]) / placed.scaled[axis] * picture[axis]
        share = (seen - part.start) / (part.stop - part.start)
        square = placed.padding[axis] + share * placed.scaled[axis]
        tokens = np.floor(square / config.image_size[axis] * grid[axis]).astype(np.int64)
        along.append(np.where((share >= 0) & (share < 1), tokens, NOWHERE))
    row, column = along[0][:, None], along[1][None]
    inside = (row != NOWHERE) & (column != NOWHERE)
    return np.where(inside, row * grid[1] + column, found).reshape(-1)
