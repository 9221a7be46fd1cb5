"""Maps of houses: our own renderer's look from above, without ceilings."""

import re
from collections.abc import Iterable

import numpy as np

from envs.floor_map import FloorMap, Room
from envs.house.rendering import Camera
from envs.house.schema import House
from envs.house.schema.polygons import contains
from envs.house.simulator import HouseSimulator, Stance

SIDE = 400
"""Pixels of a map's longer side."""
_MARGIN = 0.2
"""Metres that are shown around the walls."""
_ABOVE = 1.0
_DOWN = np.eye(3)
"""A camera's axes: x to the right, y up, it looks down."""
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def house_map(simulator: HouseSimulator, start: Stance, goals: Iterable[np.ndarray]) -> FloorMap:
    """Draw a house as it stands; `goals` are points (2,) of the house's frame."""
    low, high = simulator.scene.bounds
    low, size = low[:2] - _MARGIN, (high - low)[:2] + 2 * _MARGIN
    scale = SIDE / size.max()
    width, height = np.rint(size * scale).astype(int).tolist()
    eye = np.array([*(low + size / 2), high[2] + _ABOVE])
    camera = Camera(width, height, 90.0, far=float(high[2]) + 2 * _ABOVE)
    view = simulator.renderer.view(camera, eye, _DOWN, ceilings=False, extent=float(size[1]))
    frame = frame_from(start, low, (width / size[0], height / size[1]), height)
    rooms = rooms_of(simulator) if simulator.house is not None else ()
    return FloorMap(view.rgb.copy(), frame, relative(start, goals), rooms)


def frame_from(start: Stance, low: np.ndarray, scale: tuple[float, float], height: int) -> np.ndarray:
    """Return the frame (2, 3) of a map with north above.

    Arguments:
        start: where the body began.
        low: the lower left corner (2,) of the picture, metres.
        scale: pixels a metre, across and down.
        height: of the picture, pixels.
    """
    turned = np.column_stack([_right(start), start.forward, start.point - low])  # metres from the corner
    columns, rows = turned * np.array(scale)[:, None]
    return np.array([columns, np.array([0, 0, height]) - rows])


def relative(start: Stance, points: Iterable[np.ndarray]) -> tuple[tuple[float, float], ...]:
    """Return points (2,) of the house's frame as metres to the right of and ahead of a stance."""
    away = [np.asarray(point, float) - start.point for point in points]
    return tuple((float(each @ _right(start)), float(each @ start.forward)) for each in away)


def rooms_of(simulator: HouseSimulator) -> tuple[Room, ...]:
    """Return a house's rooms with what is in them now."""
    house: House = simulator.house
    things = [simulator.thing(record.id) for record, _ in house.every_object()]
    points = np.array([simulator.now(thing.id).position[:2] for thing in things]).reshape(-1, 2)
    found = []
    for room in house.rooms:
        inside = contains(room.floor, points)
        kinds = sorted(in_words(thing.type) for thing, here in zip(things, inside, strict=True) if here)
        found.append(Room(in_words(room.type), tuple(kinds)))
    return tuple(found)


def in_words(kind: str) -> str:
    """Return a name in capitals as words.

    >>> in_words("LivingRoom"), in_words("TVStand")
    ('living room', 'tv stand')
    """
    return " ".join(_WORDS.split(kind)).lower()


def _right(stance: Stance) -> np.ndarray:
    return np.array([stance.forward[1], -stance.forward[0]])
