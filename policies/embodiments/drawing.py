"""Marks that embodiments draw over pictures for people: an arrow, a label. Knows pixels only."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from PIL import ImageFont

ACCENT = (255, 92, 40)
_STROKES = (((255, 255, 255, 230), 8), ((*ACCENT, 255), 4))
"""Colour and width: a light edge below the stroke."""


def arrow(pen: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a ring at `start` and an arrow to `end`, (column, row) in pixels, on a PIL ImageDraw."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    for colour, width in _STROKES:
        grow = (width - 4) / 2
        if length > 14:
            ux, uy = dx / length, dy / length
            neck = end[0] - 13 * ux, end[1] - 13 * uy
            pen.line((*start, *neck), colour, width)
            tip = end[0] + grow * ux, end[1] + grow * uy
            back = neck[0] - grow * ux, neck[1] - grow * uy
            wide = 8 + 1.6 * grow
            pen.polygon(
                (tip, (back[0] - wide * uy, back[1] + wide * ux), (back[0] + wide * uy, back[1] - wide * ux)),
                colour,
            )
        _ring(pen, start, 7 + grow, colour, width)


def ring(pen: Any, place: tuple[float, float]) -> None:
    """Draw a ring around a place, (column, row) in pixels."""
    for colour, width in _STROKES:
        _ring(pen, place, 7 + (width - 4) / 2, colour, width)


def _ring(pen: Any, place: tuple[float, float], radius: float, colour: tuple, width: int) -> None:
    box = (place[0] - radius, place[1] - radius, place[0] + radius, place[1] + radius)
    pen.ellipse(box, None, colour, width // 2 + 1)


def label(pen: Any, place: tuple[float, float], text: str, colour: tuple = (40, 44, 52)) -> None:
    """Write white words on a rounded ground whose upper left corner is `place`."""
    lettering = font(15)
    x, y = place
    pen.rounded_rectangle((x, y, x + pen.textlength(text, lettering) + 12, y + 22), 6, (*colour, 215))
    pen.text((x + 6, y + 2), text, (255, 255, 255), lettering)


@cache
def font(size: int) -> Any:
    """Return the lettering of pictures, of a size in pixels."""
    return ImageFont.load_default(size)
