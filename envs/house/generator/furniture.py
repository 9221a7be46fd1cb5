"""Furniture on the floor: what each room must and may have, at walls, in corners, in the middle, in sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from envs.house.generator.contents import Piece, contents, piece
from envs.house.generator.floorplan import FloorPlan
from envs.house.generator.outlines import Side
from envs.house.generator.space import STEP, Rectangle, Space

_GAP = 0.02
"""Between a wall and what stands against it, metres."""
_TRIES = 30
_MIDDLE = {"DiningTable", "CoffeeTable", "Ottoman", "BasketBall", "DogBed"}
_FRONT = {
    "Bed": 0.0,
    "Sofa": 0.5,
    "Fridge": 0.6,
    "Toilet": 0.5,
    "Sink": 0.5,
    "Dresser": 0.4,
    "CounterTop": 0.5,
    "Desk": 0.5,
}
"""Free floor that a piece keeps before it, metres."""


@dataclass
class Placed:
    """A piece on the floor. Yaw is a quarter turn, clockwise from above, 0 looking along +z."""

    piece: Piece
    room: int
    x: float
    z: float
    yaw: int
    tops: list = field(default_factory=list)
    """What stands on it; `surfaces` fills it."""

    @property
    def zone(self) -> Rectangle:
        wide, deep = turned(self.piece.size, self.yaw)
        return Rectangle.about(self.x, self.z, wide, deep)


def turned(size: Sequence[float], yaw: int) -> tuple[float, float]:
    """Return what a box takes of the floor along x and z."""
    return (size[0], size[2]) if yaw % 180 == 0 else (size[2], size[0])


def facing(yaw: int) -> tuple[int, int]:
    """Return the direction (x, z) that a piece looks in."""
    return {0: (0, 1), 90: (1, 0), 180: (0, -1), 270: (-1, 0)}[yaw % 360]


def furnish(
    plan: FloorPlan, sides: Sequence[Sequence[Side]], space: Space, cell: float, rng: np.random.Generator
) -> list[Placed]:
    """Furnish every room. What does not fit is left out."""
    placed: list[Placed] = []
    for room, kind in enumerate(plan.types):
        table = contents()["rooms"][kind]
        area = np.count_nonzero(space.room == room) * STEP * STEP
        most = min(int(rng.integers(table["pieces"][0], table["pieces"][1] + 1)), 3 + int(area / 2.5))
        wanted = list(table["must"])
        names, weights = list(table["may"]), np.array(list(table["may"].values()), float)
        drawn = rng.choice(names, size=len(names), replace=False, p=weights / weights.sum())
        wanted += [str(name) for name in drawn[: max(0, most - len(wanted))]]
        walls = [side for side in sides[room]]
        for type in wanted:
            found = _put(piece(type, rng), room, walls, space, cell, rng)
            if found:
                placed.append(found)
                placed += _set(found, space, rng)
    return placed


def _put(
    what: Piece, room: int, walls: Sequence[Side], space: Space, cell: float, rng: np.random.Generator
) -> Placed | None:
    for _ in range(_TRIES):
        if what.type in _MIDDLE:
            spot = _in_the_middle(what, room, space, rng)
        else:
            spot = _at_a_wall(what, room, walls, cell, rng)
        if spot is None or not space.fits(spot.zone, room, what.size[1]):
            continue
        before = _FRONT.get(what.type, 0.0)
        if before and not space.fits(_before(spot, before), room, 0.0, may_be_kept=True):
            continue
        if what.type in _MIDDLE and what.size[0] > 0.5 and not _roomy(spot, space, room):
            continue
        if space.place([spot.zone]):
            if before:
                space.keep(_before(spot, before))
            return spot
    return None


def _at_a_wall(
    what: Piece, room: int, walls: Sequence[Side], cell: float, rng: np.random.Generator
) -> Placed | None:
    """With its back to a wall; for a third of the tries at an end of it."""
    lengths = np.array([side.length * cell for side in walls])
    fit = lengths >= what.size[0] + 2 * _GAP
    if not fit.any():
        return None
    side = walls[int(rng.choice(len(walls), p=np.where(fit, lengths, 0) / lengths[fit].sum()))]
    (x0, z0), (x1, z1) = side.start, side.end
    length = side.length * cell
    dx, dz = (x1 - x0) // side.length, (z1 - z0) // side.length
    inward = (dz, -dx)
    yaw = {(0, 1): 0, (1, 0): 90, (0, -1): 180, (-1, 0): 270}[inward]
    low, high = what.size[0] / 2 + _GAP, length - what.size[0] / 2 - _GAP
    along = (low, high)[int(rng.integers(2))] if rng.random() < 0.34 else float(rng.uniform(low, high))
    away = what.size[2] / 2 + _GAP
    x = round(x0 * cell + dx * along + inward[0] * away, 3)
    z = round(z0 * cell + dz * along + inward[1] * away, 3)
    return Placed(what, room, x, z, yaw)


def _in_the_middle(what: Piece, room: int, space: Space, rng: np.random.Generator) -> Placed:
    spots = np.argwhere((space.room == room) & ~space.taken & ~space.kept)
    i, j = spots[int(rng.integers(len(spots)))] if len(spots) else (0, 0)
    x, z = round(float(i + 0.5) * STEP, 3), round(float(j + 0.5) * STEP, 3)
    return Placed(what, room, x, z, int(rng.integers(4)) * 90)


def _roomy(spot: Placed, space: Space, room: int) -> bool:
    """Whether a large piece in the middle has half a metre all around."""
    zone, around = spot.zone, 0.5
    wide = Rectangle(zone.x0 - around, zone.z0 - around, zone.x1 + around, zone.z1 + around)
    return space.fits(wide, room, 0.0, may_be_kept=True)


def _before(spot: Placed, depth: float) -> Rectangle:
    """The floor before a piece."""
    zone, (dx, dz) = spot.zone, facing(spot.yaw)
    if dx:
        return (
            Rectangle(zone.x1, zone.z0, zone.x1 + depth, zone.z1)
            if dx > 0
            else Rectangle(zone.x0 - depth, zone.z0, zone.x0, zone.z1)
        )
    return (
        Rectangle(zone.x0, zone.z1, zone.x1, zone.z1 + depth)
        if dz > 0
        else Rectangle(zone.x0, zone.z0 - depth, zone.x1, zone.z0)
    )


def _set(main: Placed, space: Space, rng: np.random.Generator) -> list[Placed]:
    """Place what comes with a piece."""
    found: list[Placed] = []
    for type, most, where in contents()["sets"].get(main.piece.type, ()):
        what = piece(type, rng)  # one kind for the whole set
        spots = {"around": _around, "front": _in_front, "beside": _beside}[where](main, what)
        for k in rng.permutation(len(spots))[: int(rng.integers(1, most + 1)) if where != "around" else most]:
            spot = spots[int(k)]
            kept = type == "Chair"  # a chair may stand where its table keeps the floor free
            if space.fits(spot.zone, main.room, what.size[1], may_be_kept=kept) and space.place([spot.zone]):
                found.append(spot)
    return found


def _spot(main: Placed, what: Piece, right: float, ahead: float, yaw: int) -> Placed:
    """A piece beside another: metres to its right and ahead of it, turned by `yaw` against it."""
    dx, dz = facing(main.yaw)
    x = main.x + dz * right + dx * ahead
    z = main.z - dx * right + dz * ahead
    return Placed(what, main.room, round(x, 3), round(z, 3), (main.yaw + yaw) % 360)


def _around(main: Placed, what: Piece) -> list[Placed]:
    """Chairs at a table: their fronts look at it, half a seat under it."""
    wide, deep = main.piece.size[0], main.piece.size[2]
    out = what.size[2] / 2 - 0.12
    places = [(-wide / 4, deep / 2 + out, 180), (wide / 4, deep / 2 + out, 180)]
    places += [(-wide / 4, -deep / 2 - out, 0), (wide / 4, -deep / 2 - out, 0)]
    clear = out + 0.14
    places = [(r, a + (0.14 if a > 0 else -0.14), y) for r, a, y in places]
    places += [(-wide / 2 - clear, 0.0, 90), (wide / 2 + clear, 0.0, 270)]
    return [_spot(main, what, *place) for place in places]


def _in_front(main: Placed, what: Piece) -> list[Placed]:
    gap = 0.04 if what.type == "Chair" else 0.42
    return [_spot(main, what, 0.0, main.piece.size[2] / 2 + gap + what.size[2] / 2, 180)]


def _beside(main: Placed, what: Piece) -> list[Placed]:
    aside = main.piece.size[0] / 2 + 0.04 + what.size[0] / 2
    back = -main.piece.size[2] / 2 + what.size[2] / 2
    return [_spot(main, what, side * aside, back, 0) for side in (-1, 1)]
