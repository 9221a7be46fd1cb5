"""The ranges of sizes that a model can have, as annotations of configuration fields (`uio2_agent.fields`).

They are far wider than any release, and narrow enough that tables computed from them fit into memory.
"""

from typing import Annotated

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range

Width = Annotated[int, Range(1, 65_536)]
"""Channels of a layer."""
Heads = Annotated[int, Range(1, 1_024)]
Layers = Annotated[int, Range(1, 512)]
Rows = Annotated[int, Range(1, 16_777_216)]
"""Rows of a table of tokens or codes."""
Length = Annotated[int, Range(1, 65_536)]
"""Tokens, patches or latents."""
Pieces = Annotated[int, Range(1, 1_024)]
"""Frames of a history."""
Side = Annotated[int, Range(1, 8_192)]
Sides = tuple[Side, Side]
"""Of a picture in pixels, of a spectrogram in bins and steps."""
Patch = Annotated[int, Range(1, 256)]

MOST_CELLS = 65_536
"""Of a grid of patches or codes."""


def grid_of(name: str, size: tuple[int, int], patch: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of patches; UIO2Error unless they fill the size and are not too many."""
    if any(side % step for side, step in zip(size, patch, strict=True)):
        raise UIO2Error(f"{name}={size} is not possible: it takes multiples of the patch, {patch}")
    rows, columns = (side // step for side, step in zip(size, patch, strict=True))
    if rows * columns > MOST_CELLS:
        raise UIO2Error(
            f"{name}={size} is not possible: patches of {patch} make {rows * columns:,} cells of it, "
            f"{MOST_CELLS:,} are the most"
        )
    return rows, columns
