"""Pictures as PNG."""

import io

import numpy as np
from PIL import Image


def png(picture: np.ndarray) -> bytes:
    """Return a picture, uint8 (H, W, 3), as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()
