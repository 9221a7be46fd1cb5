"""Floor plans: which cell of an integer grid belongs to which room.

A footprint is cut in two again and again, each time where it fits the shares of the rooms on both sides, so
that groups stay together and rooms are rectangles; then corners are cut off the footprint, which makes some
rooms L-shaped. Of several tries the one whose rooms come closest to their shares and to squares wins.
"""

import math
from dataclasses import dataclass

import numpy as np

from envs.house.generator.specs import RoomSpec

OUTSIDE = -1
_TRIES = 24
_LEAST_CELLS = {"Bathroom": 2, "Bedroom": 4, "Kitchen": 4, "LivingRoom": 4}


@dataclass(frozen=True)
class FloorPlan:
    """`cells[i, j]` is the number of the room at the i-th column along x and the j-th row along z."""

    cells: np.ndarray  # int (columns, rows), OUTSIDE where nothing is built
    types: tuple[str, ...]
    """Type of each room, by number."""
    groups: tuple
    """The tree of room numbers: an int is a room, a tuple a group."""


def floor_plan(spec: RoomSpec, rng: np.random.Generator) -> FloorPlan:
    """Draw a plan for a specification."""
    rooms = spec.rooms
    numbers = iter(range(len(rooms)))
    groups = _numbered(spec, numbers)
    best, best_score = None, math.inf
    for _ in range(_TRIES):
        wide, deep = _footprint(len(rooms), rng)
        cells = np.full((wide, deep), OUTSIDE)
        if not _split(cells, spec, groups, (0, wide, 0, deep), rng):
            continue
        score = _score(cells, rooms)
        if score < best_score:
            best, best_score = cells, score
    if best is None:  # shares too far apart for small footprints: rooms in a row, each wide enough
        best = _row(rooms)
    _cut_corners(best, rooms, rng)
    return FloorPlan(
        best, tuple(room.type for room in rooms), groups if isinstance(groups, tuple) else (groups,)
    )


def _numbered(spec: RoomSpec, numbers) -> tuple | int:
    if spec.type is not None:
        return next(numbers)
    return tuple(_numbered(child, numbers) for child in spec.children)


def _footprint(rooms: int, rng: np.random.Generator) -> tuple[int, int]:
    """Sides in cells: about the square root of the rooms, three cells a room."""
    middle = max(3.0, math.sqrt(rooms * 8.0))
    wide = int(rng.integers(max(2, math.floor(middle * 0.75)), math.ceil(middle * 1.35) + 1))
    deep = max(2, round(rooms * 8 / wide + float(rng.uniform(-0.5, 0.8))))
    return wide, deep


def _split(
    cells: np.ndarray, spec: RoomSpec, groups, box: tuple[int, int, int, int], rng: np.random.Generator
) -> bool:
    """Give the rooms of a group the cells of a rectangle; False where they do not fit."""
    x0, x1, z0, z1 = box
    if spec.type is not None:
        area = (x1 - x0) * (z1 - z0)
        long, short = max(x1 - x0, z1 - z0), min(x1 - x0, z1 - z0)
        if area < _LEAST_CELLS[spec.type] or (spec.type != "Bathroom" and short < 2) or long > 4 * short:
            return False
        cells[x0:x1, z0:z1] = groups
        return True
    if len(spec.children) == 1:
        return _split(cells, spec.children[0], groups[0], box, rng)
    order = rng.permutation(len(spec.children))
    children = [spec.children[k] for k in order]
    numbers = [groups[k] for k in order]
    half = 1 if len(children) == 2 else int(rng.integers(1, len(children)))
    share = sum(child.share for child in children[:half]) / sum(child.share for child in children)
    along_x = (x1 - x0) > (z1 - z0) or ((x1 - x0) == (z1 - z0) and rng.random() < 0.5)
    length = x1 - x0 if along_x else z1 - z0
    cut = round(share * length)
    if not 0 < cut < length:
        return False
    middle = (x0 if along_x else z0) + cut
    boxes = (
        [(x0, middle, z0, z1), (middle, x1, z0, z1)]
        if along_x
        else [(x0, x1, z0, middle), (x0, x1, middle, z1)]
    )
    return all(
        _split(cells, _group(children[part]), tuple(numbers[part]), each, rng)
        for part, each in ((slice(0, half), boxes[0]), (slice(half, None), boxes[1]))
    )


def _group(children: list[RoomSpec]) -> RoomSpec:
    return RoomSpec(None, sum(child.share for child in children), tuple(children))


def _score(cells: np.ndarray, rooms: tuple[RoomSpec, ...]) -> float:
    total = sum(room.share for room in rooms)
    score = 0.0
    for number, room in enumerate(rooms):
        taken = np.argwhere(cells == number)
        wide, deep = taken.max(0) - taken.min(0) + 1
        score += abs(len(taken) / cells.size - room.share / total) * len(rooms)
        score += 0.3 * (max(wide, deep) / min(wide, deep) - 1)
    return score


def _row(rooms: tuple[RoomSpec, ...]) -> np.ndarray:
    widths = [max(1, math.ceil(_LEAST_CELLS[room.type] / 2)) for room in rooms]
    return np.repeat(np.arange(len(rooms)), widths)[:, None].repeat(2, axis=1)


def _cut_corners(cells: np.ndarray, rooms: tuple[RoomSpec, ...], rng: np.random.Generator) -> None:
    """Cut up to two corners off the footprint, each out of one room that stays large and in one piece."""
    for _ in range(int(rng.integers(0, 3))):
        from_left, from_below = rng.integers(0, 2, 2)
        wide, deep = rng.integers(1, 3, 2)
        columns = slice(0, wide) if from_left else slice(cells.shape[0] - wide, None)
        rows = slice(0, deep) if from_below else slice(cells.shape[1] - deep, None)
        numbers = np.unique(cells[columns, rows])
        if len(numbers) != 1 or numbers[0] == OUTSIDE:
            continue
        taken = np.argwhere(cells == numbers[0])
        size = taken.max(0) - taken.min(0) + 1
        left = len(taken) - wide * deep
        least = 2 * _LEAST_CELLS[rooms[numbers[0]].type]
        if wide < size[0] - 1 and deep < size[1] - 1 and left >= least and len(taken) == size[0] * size[1]:
            cells[columns, rows] = OUTSIDE
