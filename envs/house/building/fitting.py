"""How wide and deep a thing is that stands or hangs in a room, where no table of assets says.

Files put furniture against walls with a gap that is always the same, so the distance from a box's centre to
the wall behind it tells its depth, and that to a wall beside it its width. What stands on a thing lies on it.
Whatever else is guessed, a box does not cross the floor's outline.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from envs.house.scene import Vector, from_unity, unity_rotation
from envs.house.schema.polygons import Point, contains
from envs.house.schema.records import HouseObject, Room

FLOOR_GAP, WALL_GAP = 0.025, 0.005
"""Metres between a wall and what stands before it or hangs on it, in files that ProcTHOR wrote."""
_LIKELY = ((0.65, 1.45), (0.5, 1.7))
"""Shares of the usual width and depth between which a distance is taken for one. A wall behind a thing is
more telling than one beside it."""
_LIKELY_HANGING = (0.1, 1.6)
_WIDEST = 2.2
"""How many times its usual size a thing may be for the sake of what stands on it."""
_RIM = 0.04
"""Metres from the middle of what stands on a thing to that thing's edge, at least."""
_LEAST = 0.3
"""The share of its size that is left of a thing at least, though it cross the wall."""
_SQUARE = 0.02
"""Radians from a quarter turn up to which a thing counts as parallel to the walls."""


def room_at(rooms: Iterable[Room], point: Point) -> Room | None:
    """Return the room that a point of the floor lies in."""
    return next((room for room in rooms if contains(room.floor, np.array([point]))[0]), None)


def fitted(size: Vector, record: HouseObject, room: Room, hanging: bool, known: bool) -> Vector:
    """Return a standing or hanging thing's box (width, depth, height), set right by what is around it.

    Arguments:
        size: its box as its type and height tell.
        record: the thing, upright and with no parent.
        room: where it is.
        hanging: whether it hangs on a wall.
        known: whether `size` is its asset's own: it is only kept from crossing walls.
    """
    turn = unity_rotation(record.rotation)[:2, :2]
    yaw = math.atan2(turn[1, 0], turn[0, 0])
    square = abs((yaw + math.pi / 4) % (math.pi / 2) - math.pi / 4) < _SQUARE
    middle = from_unity(record.position)[:2]
    halves = [size[0] / 2, size[1] / 2]
    if not known:
        halves = _under(halves, record, turn)
    if square:
        for own in (0, 1):
            axis = int(np.abs(turn[:, own]).argmax())
            back, front = (
                distance_to_outline(room.floor, middle, axis, side * math.copysign(1, turn[axis, own]))
                for side in (-1, 1)
            )
            told = None if known else _told(size[own] / 2, back, front, own, hanging)
            halves[own] = min(told or halves[own], max(min(back, front), _LEAST * halves[own]))
    reaches = np.abs(turn) @ halves
    free = [min(distance_to_outline(room.floor, middle, axis, side) for side in (-1, 1)) for axis in (0, 1)]
    share = min(1.0, *(have / need for have, need in zip(free, reaches, strict=True)))
    share = max(share, _LEAST)
    return halves[0] * share * 2, halves[1] * share * 2, size[2]


def _told(usual: float, back: float, front: float, own: int, hanging: bool) -> float | None:
    """Return the half width (`own` 0) or depth (1) that reaches a wall, if one is near enough to tell it."""
    if hanging:
        walls, gap, (least, most) = (back,) * own, WALL_GAP, _LIKELY_HANGING
    else:
        walls, gap, (least, most) = (back,) if own else (back, front), FLOOR_GAP, _LIKELY[own]
    return min((wall - gap for wall in walls if least <= (wall - gap) / usual <= most), default=None)


def _under(halves: Sequence[float], record: HouseObject, turn: np.ndarray) -> list[float]:
    """Widen a thing until the middles of what stands on it lie on it."""
    middle = np.array(from_unity(record.position)[:2])
    wide = list(halves)
    above = [child for child in record.children if child.position[1] > record.position[1]]
    for child in above:
        aside = np.abs((np.array(from_unity(child.position)[:2]) - middle) @ turn)
        for own in (0, 1):
            wide[own] = min(max(wide[own], aside[own] + _RIM), max(_WIDEST * halves[own], wide[own]))
    return wide


def distance_to_outline(ring: Sequence[Point], point: Point, axis: int, side: float) -> float:
    """Return how far from a point along an axis, to its low (-1) or high (1) side, a floor's outline is."""
    across = 1 - axis
    found = math.inf
    for start, end in zip(ring, (*ring[1:], ring[0]), strict=True):
        low, high = sorted((start[across], end[across]))
        if abs(start[axis] - end[axis]) < 1e-3 and low <= point[across] <= high:
            way = (start[axis] - point[axis]) * side
            if way >= 0:
                found = min(found, way)
    return found
