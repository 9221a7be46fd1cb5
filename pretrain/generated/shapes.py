"""Coloured shapes in a picture, with their names, boxes and masks.

It refuses to know records; boxes are y1 x1 y2 x2 in pixels, the last row and column not included.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {
    "red": (214, 48, 49),
    "green": (46, 160, 67),
    "blue": (38, 98, 220),
    "yellow": (240, 200, 40),
    "purple": (140, 70, 190),
    "orange": (240, 130, 30),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TRIES = 50


@dataclass(frozen=True)
class Shape:
    """A shape of a colour, its centre (y, x) and half its side in pixels."""

    form: str
    colour: str
    centre: tuple[float, float]
    radius: float

    @property
    def name(self) -> str:
        """What it is called: "red circle"."""
        return f"{self.colour} {self.form}"

    def outline(self) -> list[tuple[float, float]]:
        """Return the corners (x, y), of a circle as many as look round."""
        y, x = self.centre
        turns = {
            "circle": np.linspace(0, 2 * np.pi, 33)[:-1],
            "square": np.arange(4) * np.pi / 2 + np.pi / 4,
            "triangle": np.arange(3) * 2 * np.pi / 3 - np.pi / 2,
            "diamond": np.arange(4) * np.pi / 2,
        }
        if self.form != "cross":
            angles = turns[self.form]
            return [(x + self.radius * np.cos(a), y + self.radius * np.sin(a)) for a in angles]
        thin, long = 0.31 * self.radius, 0.94 * self.radius
        corners = [(thin, thin), (thin, long), (-thin, long), (-thin, thin), (-long, thin), (-long, -thin)]
        corners += [(-across, -down) for across, down in corners]
        return [(x + across, y + down) for across, down in corners]


def draw(image: np.ndarray, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 [h, w, 3] with a shape on it, and bool [h, w] of where the shape is."""
    canvas = Image.new("1", image.shape[1::-1])
    ImageDraw.Draw(canvas).polygon(shape.outline(), fill=1)
    mask = np.asarray(canvas)
    return np.where(mask[..., None], np.array(COLOURS[shape.colour], np.uint8), image), mask


def drawn_shapes(
    rng: np.random.Generator, size: tuple[int, int], count: int, largest: float = 0.18
) -> list[Shape]:
    """Draw up to so many shapes that lie in a picture of a size and do not touch: fewer where there is no
    room. `largest` is half a side in parts of the picture's shorter one.
    """
    side = min(size)
    shapes: list[Shape] = []
    for _ in range(_TRIES * count):
        if len(shapes) == count:
            break
        radius = side * rng.uniform(largest / 2, largest)
        y, x = (rng.uniform(radius, length - radius) for length in size)
        if all(np.hypot(y - s.centre[0], x - s.centre[1]) > radius + s.radius + 2 for s in shapes):
            form, colour = SHAPES[rng.integers(len(SHAPES))], list(COLOURS)[rng.integers(len(COLOURS))]
            shapes.append(Shape(form, colour, (y, x), radius))
    return shapes


def scene(rng: np.random.Generator, size: tuple[int, int], most: int) -> tuple[np.ndarray, list[Shape]]:
    """Draw one to `most` shapes, and a background to paste them onto."""
    things = drawn_shapes(rng, size, int(rng.integers(1, most + 1)))
    return background(rng, size), things


def pasted(image: np.ndarray, shapes: list[Shape]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the picture with all shapes on it, their masks bool [n, h, w] and boxes float32 [n, 4]."""
    masks = np.zeros((len(shapes), *image.shape[:2]), bool)
    boxes = np.zeros((len(shapes), 4), np.float32)
    for number, shape in enumerate(shapes):
        image, masks[number] = draw(image, shape)
        rows, columns = np.flatnonzero(masks[number].any(1)), np.flatnonzero(masks[number].any(0))
        boxes[number] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    return image, masks, boxes


def background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return a dull picture uint8 [h, w, 3]: a colour that changes from corner to corner, and some grain."""
    corners = rng.uniform(90, 190, (2, 2, 3))
    down, across = np.linspace(0, 1, size[0])[:, None, None], np.linspace(0, 1, size[1])[None, :, None]
    top = corners[0, 0] * (1 - across) + corners[0, 1] * across
    bottom = corners[1, 0] * (1 - across) + corners[1, 1] * across
    return (top * (1 - down) + bottom * down + rng.normal(0, 4, (*size, 3))).clip(0, 255).astype(np.uint8)


def described(shapes: list[Shape]) -> str:
    """Return a caption: what there is, from left to right, with its place.

    >>> described([Shape("circle", "red", (10, 10), 5), Shape("square", "blue", (10, 80), 5)])
    'a red circle to the left of a blue square'
    """
    if not shapes:
        return "nothing at all"
    ordered = sorted(shapes, key=lambda shape: shape.centre[1])
    return " to the left of ".join(f"a {shape.name}" for shape in ordered)
