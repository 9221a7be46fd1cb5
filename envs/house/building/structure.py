"""The shell of a house: floors, walls with their holes, ceilings, door leaves and windows, as things.

A wall of a house file is one side of a wall, so it is a slab shifted half its thickness to its own side;
two rooms' slabs stand back to back. They are thin, because files hang pictures flat on the wall's plane.
Holes are cut by leaving out: a wall is the pieces left of, right of, below and above its holes.
"""

import math
from collections.abc import Iterable, Sequence

from envs.house.scene import Part, Surface, Thing, rotation_about
from envs.house.schema.polygons import rectangles
from envs.house.schema.records import Colour, Door, House, Material, Room, Wall, Window
from envs.house.textures import surface_of

WALL_THICKNESS = 0.01
_FRAME_DEPTH = 0.14
FLOOR_THICKNESS = 0.10
LEAF_THICKNESS = 0.04
_FRAME = 0.06
"""Width of the wood around a hole."""
_SKIRTING = (0.012, 0.08)
_WHITE: Colour = (0.97, 0.96, 0.94)


def wall_height(house: House) -> float:
    """Return the height of the ceiling; 2.7 m where there are no walls."""
    return max((wall.height for wall in house.walls), default=2.7)


def floor(room: Room) -> Thing:
    """The floor of a room, its top at z = 0."""
    return _plate(room, room.id, "Floor", -FLOOR_THICKNESS, 0.0, surface_of(room.material, "floor"))


def ceiling(room: Room, height: float, material: Material) -> Thing:
    """The ceiling above a room, its underside at `height`."""
    surface = surface_of(material, "ceiling")
    return _plate(room, f"ceiling|{room.id}", "Ceiling", height, height + FLOOR_THICKNESS, surface)


def _plate(room: Room, id: str, type: str, bottom: float, top: float, surface: Surface) -> Thing:
    xs, zs = zip(*room.floor, strict=True)
    centre = ((min(xs) + max(xs)) / 2, (min(zs) + max(zs)) / 2, (bottom + top) / 2)
    parts = tuple(
        Part(
            "box",
            (high[0] - low[0], high[1] - low[1], top - bottom),
            ((low[0] + high[0]) / 2 - centre[0], (low[1] + high[1]) / 2 - centre[1], 0.0),
            surface=surface,
        )
        for low, high in rectangles(room.floor)
    )
    return Thing(id, type, centre, (max(xs) - min(xs), max(zs) - min(zs), top - bottom), parts)


def holes_by_wall(house: House) -> dict[str, list[tuple[float, float, float, float]]]:
    """Return for each wall the holes in it: (from, to) along it from its start, (from, to) in height."""
    lengths = {wall.id: wall.length for wall in house.walls}
    holes: dict[str, list[tuple[float, float, float, float]]] = {}
    for opening in (*house.doors, *house.windows):
        first, second = opening.walls
        low, high = opening.low, opening.high
        holes.setdefault(first, []).append((low[0], high[0], low[1], high[1]))
        length = lengths[second]  # the other side runs the other way
        holes.setdefault(second, []).append((length - high[0], length - low[0], low[1], high[1]))
    return holes


def wall_pieces(
    length: float, height: float, holes: Iterable[tuple[float, float, float, float]]
) -> list[tuple[float, float, float, float]]:
    """Cut holes out of a wall: rectangles (from, to) along it and (from, to) in height of what is left."""
    pieces = [(0.0, length, 0.0, height)]
    for a, b, low, high in holes:
        left: list[tuple[float, float, float, float]] = []
        for x0, x1, z0, z1 in pieces:
            if b <= x0 or a >= x1 or high <= z0 or low >= z1:
                left.append((x0, x1, z0, z1))
                continue
            inner = (max(a, x0), min(b, x1))
            left += [(x0, inner[0], z0, z1), (inner[1], x1, z0, z1)]
            left += [(*inner, z0, max(low, z0)), (*inner, min(high, z1), z1)]
        pieces = [each for each in left if each[1] - each[0] > 1e-4 and each[3] - each[2] > 1e-4]
    return pieces


def wall(record: Wall, holes: Sequence[tuple[float, float, float, float]]) -> Thing | None:
    """One side of a wall; None where it is empty or all hole."""
    pieces = [] if record.empty else wall_pieces(record.length, record.height, holes)
    if not pieces:
        return None
    centre, yaw = _along(record, record.length / 2, record.height / 2, WALL_THICKNESS / 2)
    surface = surface_of(record.material, "wall")
    parts = [
        Part(
            "box",
            (b - a, WALL_THICKNESS, high - low),
            ((a + b - record.length) / 2, 0.0, (low + high - record.height) / 2),
            surface=surface,
        )
        for a, b, low, high in pieces
    ]
    if not record.exterior:
        depth, rise = _SKIRTING
        white = Surface((*_WHITE, 1.0))
        parts += [
            Part(
                "box",
                (b - a, depth, rise),
                ((a + b - record.length) / 2, -(WALL_THICKNESS + depth) / 2, (rise - record.height) / 2),
                surface=white,
            )
            for a, b, low, _ in pieces
            if low < 1e-6
        ]
    size = (record.length, WALL_THICKNESS, record.height)
    return Thing(record.id, "Wall", centre, size, tuple(parts), rotation_about(2, yaw))


def _along(
    record: Wall, along: float, height: float, aside: float
) -> tuple[tuple[float, float, float], float]:
    """Return the point `along` a wall's side from its start at `height`, `aside` into its room, and the yaw
    of a frame whose x runs along the wall and whose -y looks into the room.
    """
    (x0, z0), (x1, z1) = record.start, record.end
    dx, dz = (x1 - x0) / record.length, (z1 - z0) / record.length
    inward = (dz, -dx)  # to the right of the way, seen from above
    return (
        (x0 + dx * along + inward[0] * aside, z0 + dz * along + inward[1] * aside, height),
        math.atan2(dz, dx),
    )


def door(record: Door, first: Wall) -> list[Thing]:
    """The wood around a door's hole, and its leaf where it has one.

    The leaf's box is that of the closed door; `leaf_pose` says where it is when open.
    """
    (a, low), (b, high) = record.low, record.high
    centre, yaw = _along(first, (a + b) / 2, (low + high) / 2, 0.0)
    width, height, depth = b - a, high - low, _FRAME_DEPTH
    wood = Surface((*_WHITE, 1.0), shine=0.2)
    jamb = (_FRAME, depth, height)
    parts = (
        Part("box", jamb, (-(width - _FRAME) / 2, 0.0, 0.0), surface=wood),
        Part("box", jamb, ((width - _FRAME) / 2, 0.0, 0.0), surface=wood),
        Part("box", (width, depth, _FRAME), (0.0, 0.0, (height - _FRAME) / 2), surface=wood),
    )
    frame = Thing(
        f"frame|{record.id}", "Doorframe", centre, (width, depth, height), parts, rotation_about(2, yaw)
    )
    if record.frame_only:
        return [frame]
    size = (width - 2 * _FRAME, LEAF_THICKNESS, height - _FRAME)
    centre = (*centre[:2], low + size[2] / 2)
    leaf = Thing(
        record.id,
        "Doorway",
        centre,
        size,
        tuple(_leaf_parts(size, record)),
        rotation_about(2, yaw),
        movable=True,
    )
    return [frame, leaf]


def _leaf_parts(size: tuple[float, float, float], record: Door) -> Iterable[Part]:
    colours = ((0.82, 0.70, 0.54), (0.95, 0.94, 0.91), (0.60, 0.43, 0.29))
    base = colours[sum(record.asset.encode()) % len(colours)]
    wood = Surface((*base, 1.0))
    dark = Surface((*(value * 0.90 for value in base), 1.0))
    metal = Surface((0.75, 0.72, 0.65, 1.0))
    yield Part("box", size, surface=wood)
    for middle in (0.22, -0.22):
        yield Part(
            "box",
            (size[0] * 0.66, size[1] + 0.012, size[2] * 0.34),
            (0.0, 0.0, middle * size[2]),
            surface=dark,
        )
    handle = (size[0] / 2 - 0.08, 0.0, 1.0 - size[2] / 2)
    yield Part("box", (0.12, size[1] + 0.10, 0.025), handle, surface=metal)


def leaf_pose(leaf: Thing, openness: float) -> tuple[tuple[float, float, float], float]:
    """Return where a door's leaf is: its centre, and by how many radians about z it has turned.

    The hinge is at the start of its first wall, and it swings out of that wall's room by up to 90°.
    """
    angle = math.radians(90) * openness
    x, y, z = leaf.position
    yaw = math.atan2(leaf.rotation[1, 0], leaf.rotation[0, 0])
    half = leaf.size[0] / 2
    hinge = (x - half * math.cos(yaw), y - half * math.sin(yaw))
    turned = yaw + angle  # the frame's +y looks out of the room
    return (hinge[0] + half * math.cos(turned), hinge[1] + half * math.sin(turned), z), angle


def window(record: Window, first: Wall) -> Thing:
    """A window's wood and glass. Glass does not stop sight; nothing passes through."""
    (a, low), (b, high) = record.low, record.high
    centre, yaw = _along(first, (a + b) / 2, (low + high) / 2, 0.0)
    width, height, depth = b - a, high - low, _FRAME_DEPTH
    wood = Surface((*_WHITE, 1.0), shine=0.2)
    glass = Surface((0.80, 0.90, 0.95, 0.15), shine=0.8)
    bar = _FRAME * 0.8
    parts = [
        Part("box", (width, 0.01, height), surface=glass),
        Part("box", (bar, depth, height), (-(width - bar) / 2, 0.0, 0.0), surface=wood),
        Part("box", (bar, depth, height), ((width - bar) / 2, 0.0, 0.0), surface=wood),
        Part("box", (width, depth, bar), (0.0, 0.0, (height - bar) / 2), surface=wood),
        Part("box", (width, depth + 0.08, bar), (0.0, 0.0, -(height - bar) / 2), surface=wood),
        Part("box", (width, 0.03, bar / 2), (0.0, 0.0, 0.0), surface=wood),
    ]
    return Thing(record.id, "Window", centre, (width, depth, height), tuple(parts), rotation_about(2, yaw))
