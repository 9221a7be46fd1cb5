"""Which patches of a request's pictures and sounds the encoder does not see."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hidden:
    """Masks over the raster of input patches, True where a patch is hidden from the encoder.

    Each is bool [rows, columns] of the input's own grid (24 x 24 of an image officially, 16 x 8 of a sound,
    time first), or None where nothing is hidden. Histories have one for each piece of the request, or are
    empty.
    """

    image: np.ndarray | None = None
    image_history: tuple[np.ndarray | None, ...] = ()
    audio: np.ndarray | None = None
    audio_history: tuple[np.ndarray | None, ...] = ()


NOTHING_HIDDEN = Hidden()
