"""Coloured shapes pasted onto an image: list their boxes, or count them.

The shapes do not touch, so that each can be seen whole; where an image has no room for all that were drawn,
fewer are pasted. Source: Unified-IO 2 (arXiv 2312.17172), section 3.3; shapes, colours and sizes are ours.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from PIL import Image, ImageDraw

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import boxes_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import ImageTextRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 160, 44),
    "blue": (31, 90, 200),
    "yellow": (240, 220, 40),
    "orange": (255, 140, 20),
    "purple": (130, 60, 170),
    "pink": (240, 130, 190),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
_UNIT_SHAPES = {
    "square": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle": [(0.5, 0), (1, 1), (0, 1)],
    "diamond": [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)],
    "arrow": [(0, 0.3), (0.5, 0.3), (0.5, 0), (1, 0.5), (0.5, 1), (0.5, 0.7), (0, 0.7)],
    "cross": [
        *[(0.35, 0), (0.65, 0), (0.65, 0.35), (1, 0.35), (1, 0.65), (0.65, 0.65)],
        *[(0.65, 1), (0.35, 1), (0.35, 0.65), (0, 0.65), (0, 0.35), (0.35, 0.35)],
    ],
}
"""Corners, x y, that touch all four sides of the unit square."""
SHAPES = (*_UNIT_SHAPES, "circle")
_TRIES = 50
_LEAST_PIXELS = 6


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """What is pasted and asked."""

    most: Annotated[int, Range(1, 32)] = 10
    """Most shapes; how many is drawn from 1 on."""
    count_share: Annotated[float, Range(0, 1)] = 0.5
    """Share of samples that ask for the number; the others ask for the boxes."""
    smallest: Annotated[float, Range(0.01, 0.5)] = 0.08
    largest: Annotated[float, Range(0.01, 0.5)] = 0.25
    """Sides of a shape, as shares of the image's shorter side."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: ImageTextRecord, rng: np.random.Generator, options: PatchOptions, context: Context
) -> Sample:
    """Paste shapes and ask for their boxes, in any order, or for their number in digits."""
    image, boxes, names = paste(record.image, rng, options)
    if rng.random() < options.count_share:
        text, answer = context.prompts.draw("shapes_count", rng), str(len(boxes))
    else:
        text, answer = context.prompts.draw("shapes", rng), boxes_text(boxes, image, context, names)
    return Sample(Request(text, image=image), Target(text=answer))


def paste(
    image: np.ndarray, rng: np.random.Generator, options: PatchOptions
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return a copy of an image (H, W, 3) with shapes on it, their boxes int64 [n, 4], y1 x1 y2 x2 with the
    last row and column not included, and their names, `colour shape`.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    low = max(_LEAST_PIXELS, round(options.smallest * short))
    high = max(low, round(options.largest * short))
    if short <= low + 2:
        raise UnusableRecord(f"an image of {height} x {width} pixels has no room for a shape")
    canvas = Image.fromarray(np.array(image))
    pen = ImageDraw.Draw(canvas)
    free = np.ones((height, width), bool)
    boxes, names = [], []
    for _ in range(int(rng.integers(1, options.most + 1))):
        for _ in range(_TRIES):
            tall, wide = (int(side) for side in rng.integers(low, min(high, short - 2) + 1, 2))
            top = int(rng.integers(0, height - tall + 1))
            left = int(rng.integers(0, width - wide + 1))
            if free[top : top + tall, left : left + wide].all():
                break
        else:
            continue
        free[max(top - 1, 0) : top + tall + 1, max(left - 1, 0) : left + wide + 1] = False
        shape, colour = (list(each)[int(rng.integers(len(each)))] for each in (SHAPES, COLOURS))
        _draw(pen, shape, COLOURS[colour], (top, left, tall, wide))
        boxes.append((top, left, top + tall, left + wide))
        names.append(f"{colour} {shape}")
    return np.asarray(canvas), np.array(boxes, np.int64), names


def _draw(pen: ImageDraw.ImageDraw, shape: str, colour: tuple, box: tuple[int, int, int, int]) -> None:
    """Fill a shape whose pixels reach the first and the last row and column of its box."""
    top, left, tall, wide = box
    if shape == "circle":
        pen.ellipse((left, top, left + wide - 1, top + tall - 1), fill=colour)
    else:
        corners = [
            (left + math.floor(x * (wide - 1) + 0.5), top + math.floor(y * (tall - 1) + 0.5))
            for x, y in _UNIT_SHAPES[shape]
        ]
        pen.polygon(corners, fill=colour)
