"""Pictures with words written in them, and where each stands.

The letters are those of the font that Pillow carries.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pretrain.generated import shapes
from pretrain.sources.records import SceneTextRecord

WORDS = (*shapes.SHAPES, *shapes.COLOURS, *shapes.NUMBERS)
_MARGIN = 2
"""Pixels around a line of letters."""


def scene_text(rng: np.random.Generator, size: int) -> SceneTextRecord:
    """One to three lines of one or two words, each in a size and colour of its own, from top to bottom."""
    image, boxes, texts = shapes.background(rng, (size, size)), [], []
    count = int(rng.integers(1, 4))
    for number in range(count):
        words, tall = rng.choice(WORDS, int(rng.integers(1, 3)), replace=False), int(rng.integers(10, 15))
        text = " ".join(words)
        mask = letters(text, tall)
        if mask.shape[1] > size - 2 * _MARGIN:
            text = str(words[0])
            mask = letters(text, tall)
        height, width = mask.shape
        band = size // count
        top = number * band + int(rng.integers(_MARGIN, band - height - _MARGIN))
        left = int(rng.integers(_MARGIN, size - width - _MARGIN + 1))
        colour = shapes.COLOURS[str(rng.choice(("white", "black")))]
        image[top : top + height, left : left + width][mask] = colour
        boxes.append((top, left, top + height, left + width))
        texts.append(text)
    return SceneTextRecord(image, np.array(boxes, np.float32), tuple(texts))


def letters(text: str, height: int) -> np.ndarray:
    """Return bool [h, w], where the letters of a text are, without empty rows and columns around them."""
    font = ImageFont.load_default(height)
    right, bottom = (int(side) + height for side in font.getbbox(text)[2:])
    canvas = Image.new("1", (right, bottom))
    ImageDraw.Draw(canvas).text((0, 0), text, fill=1, font=font)
    mask = np.asarray(canvas)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
