"""Coloured shapes with one sort of label each: a class, relations, 3-D boxes, motion, a change, a track.

Every label follows from where the shapes were drawn, never from the picture.
"""

import numpy as np

from pretrain.generated import shapes
from pretrain.sources.records import (
    CuboidsRecord,
    EditRecord,
    FlowRecord,
    RelationsRecord,
    TagsRecord,
    TrackRecord,
)
from uio2_agent.labels.cuboids import Cuboids

_FRAMES = 6
_FASTEST = 12.0
"""Pixels that a shape moves between two frames."""
_FOCAL = 100.0
"""Of the camera behind 3-D boxes, in pixels. Depths are in hundreds of metres, sizes log(1 + metres)."""


def tags(rng: np.random.Generator, size: int) -> TagsRecord:
    """One shape; the classes are all forms."""
    still, things = _scene(rng, size, 1)
    return TagsRecord(shapes.pasted(still, things)[0], things[0].form, shapes.SHAPES)


def relations(rng: np.random.Generator, size: int) -> RelationsRecord:
    """Two to four shapes: which is left of which, or above, whichever difference is the larger."""
    still, things = _scene(rng, size, int(rng.integers(2, 5)))
    image, _, boxes = shapes.pasted(still, things)
    found = []
    for first, one in enumerate(things):
        for second, other in enumerate(things):
            down, right = np.subtract(other.centre, one.centre)
            if first != second and abs(right) != abs(down):
                sides = ("left of", "right of") if abs(right) > abs(down) else ("above", "below")
                found.append((first, sides[int(max(right, down, key=abs) < 0)], second))
    return RelationsRecord(image, boxes, tuple(found))


def cuboids(rng: np.random.Generator, size: int) -> CuboidsRecord:
    """Shapes as the front faces of cubes at a depth drawn, that look into the camera along its ray."""
    still, things = _scene(rng, size, int(rng.integers(1, 4)))
    image, _, boxes = shapes.pasted(still, things)
    middles = np.array([thing.centre for thing in things])
    extents = boxes[:, 2:] - boxes[:, :2]
    inside = (middles - boxes[:, :2]) / extents  # y x
    metres = rng.uniform(1, 8, len(things))
    wide_high = extents[:, ::-1] * metres[:, None] / _FOCAL
    sizes = np.concatenate([wide_high, wide_high.mean(1, keepdims=True)], axis=1)
    turns = np.tile(np.eye(3), (len(things), 1, 1))
    return CuboidsRecord(
        image, boxes, Cuboids(inside[:, ::-1].astype(float), metres / 100, np.log1p(sizes), turns)
    )


def flow(rng: np.random.Generator, size: int) -> FlowRecord:
    """Shapes on a still ground, each of which moves by whole pixels of its own."""
    still, things = _scene(rng, size, int(rng.integers(1, 4)))
    moves = [_move(rng, thing, size) for thing in things]
    before, masks, _ = shapes.pasted(still, things)
    after, _, _ = shapes.pasted(still, [_moved(*pair) for pair in zip(things, moves, strict=True)])
    field = np.zeros((size, size, 2), np.float32)
    for mask, (down, right) in zip(masks, moves, strict=True):
        field[mask] = right, down
    return FlowRecord(before, after, field, _FASTEST * 2**0.5)


def edit(rng: np.random.Generator, size: int) -> EditRecord:
    """One shape of several is removed, or gets another colour."""
    still, things = _scene(rng, size, int(rng.integers(2, 4)))
    index = int(rng.integers(len(things)))
    thing = things[index]
    if rng.random() < 0.5:
        changed, told = [*things[:index], *things[index + 1 :]], f"remove the {_meant(things, index)}."
    else:
        colour = str(rng.choice([colour for colour in shapes.COLOURS if colour != thing.colour]))
        new = shapes.Shape(thing.form, colour, thing.centre, thing.radius)
        changed = [*things[:index], new, *things[index + 1 :]]
        told = f"make the {_meant(things, index)} {colour}."
    return EditRecord(shapes.pasted(still, things)[0], told, shapes.pasted(still, changed)[0])


def track(rng: np.random.Generator, size: int) -> TrackRecord:
    """A shape that moves evenly, and may leave the picture; another one stands still."""
    still, things = _scene(rng, size, 2)
    down, right = rng.uniform(-_FASTEST, _FASTEST, 2)
    images, boxes = [], np.full((_FRAMES, 4), -1, np.float32)
    for number in range(_FRAMES):
        moved = _moved(things[0], (number * down, number * right))
        image, masks, found = zip(*(_seen(still, each) for each in (things[-1], moved)), strict=True)
        images.append(np.where(masks[1][..., None], image[1], image[0]))
        boxes[number] = found[1]
    return TrackRecord(tuple(images), boxes, things[0].name)


def _scene(rng: np.random.Generator, size: int, count: int) -> tuple[np.ndarray, list[shapes.Shape]]:
    return shapes.background(rng, (size, size)), shapes.drawn_shapes(rng, (size, size), count)


def _seen(image: np.ndarray, shape: shapes.Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the picture with a shape, its mask, and its box, -1 where nothing of it is in the picture."""
    drawn, mask = shapes.draw(image, shape)
    if not mask.any():
        return drawn, mask, np.full(4, -1)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return drawn, mask, np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])


def _move(rng: np.random.Generator, shape: shapes.Shape, size: int) -> tuple[int, int]:
    """Draw a movement down and right, in pixels, that keeps a shape in the picture."""
    spare = [(middle - shape.radius, size - middle - shape.radius) for middle in shape.centre]
    bounds = [(min(_FASTEST, before), min(_FASTEST, after)) for before, after in spare]
    down, right = (int(rng.integers(-int(before), int(after) + 1)) for before, after in bounds)
    return down, right


def _moved(shape: shapes.Shape, move: tuple[float, float]) -> shapes.Shape:
    centre = shape.centre[0] + move[0], shape.centre[1] + move[1]
    return shapes.Shape(shape.form, shape.colour, centre, shape.radius)


def _meant(things: list[shapes.Shape], index: int) -> str:
    """Words that mean one of the shapes alone: its name, and its place from the left where names agree."""
    alike = [number for number, thing in enumerate(things) if thing.name == things[index].name]
    if len(alike) == 1:
        return things[index].name
    ordered = sorted(alike, key=lambda number: things[number].centre[1])
    return f"{things[index].name}, number {ordered.index(index) + 1} from the left"
