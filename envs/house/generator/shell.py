"""A floor plan as rooms, walls, doors and windows of a house file (schema 1.0.0)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.house.generator.doors import FRAME, LEAF, OPEN, Joint
from envs.house.generator.floorplan import OUTSIDE, FloorPlan
from envs.house.generator.outlines import Side

FIRST_ROOM = 2
"""ProcTHOR numbers rooms from 2: 0 is nothing and 1 is outdoors."""
_DOORS = {
    # width, height, words of AI2-THOR's assets
    1: (
        (1.04, 2.10, "Doorway_4"),
        (1.05, 2.10, "Doorway_8"),
        (1.00, 2.07, "Doorway_9"),
        (1.04, 2.11, "Doorway_6"),
    ),
    2: ((1.94, 2.09, "Doorway_Double_3"), (1.99, 2.10, "Doorway_Double_4"), (1.95, 2.10, "Doorway_Double_7")),
}
_FRAMES = {
    1: ((1.04, 2.10, "Doorframe_4"), (1.08, 2.13, "Doorframe_1")),
    2: ((1.99, 2.10, "Doorframe_Double_4"), (1.94, 2.09, "Doorframe_Double_3")),
}
_WINDOWS = (
    (1.53, 0.92, "Window_Fixed_60x36"),
    (1.53, 1.22, "Window_Fixed_60x48"),
    (0.92, 1.22, "Window_Fixed_36x48"),
    (1.22, 0.91, "Window_Slider_48x36"),
    (0.96, 0.91, "Window_Hung_36x32"),
    (1.27, 0.87, "Window_Hung_48x32"),
)
_WINDOW_MIDDLE = 1.5
_WALL_COLOURS = (
    (0.95, 0.94, 0.91),
    (0.92, 0.90, 0.84),
    (0.84, 0.89, 0.91),
    (0.86, 0.90, 0.83),
    (0.94, 0.87, 0.80),
    (0.88, 0.86, 0.92),
    (0.95, 0.91, 0.76),
    (0.80, 0.84, 0.86),
)
_WALLS = ("EggshellDrywall", "WallDrywallGreyTiled", "YellowDrywallTiled", "Drywall3", "WhiteGraniteClean")
_BATH_WALLS = ("bathroomTilesTan4", "WhiteGraniteClean", "PureWhite")
_FLOORS = (
    "WoodFloorsCross",
    "MediumWoodSmooth",
    "WoodGrain_Tan",
    "WhiteWood",
    "DarkWood2",
    "Cream_wood",
    "LightWoodCounters3",
    "WoodGrains",
)
_BATH_FLOORS = ("bathroomTilesTan4", "GreyFloor 1", "WhiteWood")


def corner(point: Sequence[int], cell: float) -> tuple[float, float]:
    """Return the metres (x, z) of a corner of the grid."""
    return round(point[0] * cell, 3), round(point[1] * cell, 3)


def room_id(number: int) -> str:
    return f"room|{number + FIRST_ROOM}"


def wall_id(owner: int | str, side: Side, cell: float) -> str:
    (x0, z0), (x1, z1) = sorted((corner(side.start, cell), corner(side.end, cell)))
    return f"wall|{owner}|{x0:.2f}|{z0:.2f}|{x1:.2f}|{z1:.2f}"


def shell(
    plan: FloorPlan,
    sides: Sequence[Sequence[Side]],
    joints: Sequence[Joint],
    cell: float,
    height: float,
    rng: np.random.Generator,
) -> dict[str, list[dict[str, Any]]]:
    """Return the records of `rooms`, `walls`, `doors` and `windows`."""
    floors, walls = _materials(plan, rng)
    open_sides = {
        (joint.side.room, joint.side.neighbour, frozenset((joint.side.start, joint.side.end)))
        for joint in joints
        if joint.kind == OPEN
    }
    records: dict[str, list[dict[str, Any]]] = {"rooms": [], "walls": [], "doors": [], "windows": []}
    for number, kind in enumerate(plan.types):
        records["rooms"].append(
            {
                "id": room_id(number),
                "roomType": kind,
                "floorPolygon": [_point(corner(side.start, cell)) for side in sides[number]],
                "floorMaterial": floors[number],
                "ceilings": [],
                "children": [],
            }
        )
        for side in sides[number]:
            ends = frozenset((side.start, side.end))
            empty = (number, side.neighbour, ends) in open_sides or (
                side.neighbour,
                number,
                ends,
            ) in open_sides
            records["walls"].append(_wall(side, cell, height, walls[number], empty))
            if side.neighbour == OUTSIDE:
                records["walls"].append(_outer_wall(side, cell, height))
    taken = _doors(records, joints, cell, rng)
    _windows(records, plan, sides, taken, cell, rng)
    return records


def _point(place: tuple[float, float], height: float = 0.0) -> dict[str, float]:
    return {"x": place[0], "y": height, "z": place[1]}


def _materials(plan: FloorPlan, rng: np.random.Generator) -> tuple[list[dict], list[dict]]:
    def wall(kind: str) -> dict[str, Any]:
        if kind == "Bathroom" and rng.random() < 0.5:
            return {"name": str(rng.choice(_BATH_WALLS))}
        if rng.random() < 0.6:
            r, g, b = _WALL_COLOURS[int(rng.integers(len(_WALL_COLOURS)))]
            return {"name": "PureWhite", "color": {"r": r, "g": g, "b": b}}
        return {"name": str(rng.choice(_WALLS))}

    one_wall = wall("House") if rng.random() < 0.35 else None
    one_floor = {"name": str(rng.choice(_FLOORS))} if rng.random() < 0.35 else None
    floors, walls = [], []
    for kind in plan.types:
        name = str(rng.choice(_BATH_FLOORS if kind == "Bathroom" else _FLOORS))
        floors.append(one_floor if one_floor and kind != "Bathroom" else {"name": name})
        walls.append(one_wall or wall(kind))
    return floors, walls


def _wall(side: Side, cell: float, height: float, material: dict[str, Any], empty: bool) -> dict[str, Any]:
    a, b = corner(side.start, cell), corner(side.end, cell)
    record = {
        "id": wall_id(side.room + FIRST_ROOM, side, cell),
        "roomId": room_id(side.room),
        "polygon": [_point(a), _point(b), _point(a, height), _point(b, height)],
        "material": material,
    }
    return {**record, "empty": True} if empty else record


def _outer_wall(side: Side, cell: float, height: float) -> dict[str, Any]:
    a, b = corner(side.start, cell), corner(side.end, cell)
    return {
        "id": wall_id("exterior", side, cell),
        "roomId": "exterior",
        "polygon": [_point(b, height), _point(a, height), _point(b), _point(a)],
        "material": {"name": "WallDrywallGreyTiled"},
    }


def _hole(width: float, height: float, at: float, low: float) -> dict[str, Any]:
    """The fields of a hole `at` metres along its first wall, its lower edge at `low`."""
    left, right = round(at - width / 2, 3), round(at + width / 2, 3)
    top = round(low + height, 3)
    return {
        "holePolygon": [{"x": left, "y": low, "z": 0}, {"x": right, "y": top, "z": 0}],
        "assetPosition": {"x": round((left + right) / 2, 4), "y": round((low + top) / 2, 4), "z": 0},
    }


def _doors(
    records: dict[str, list[dict[str, Any]]], joints: Sequence[Joint], cell: float, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Add the doors; return the part of each wall that one takes."""
    taken: dict[str, tuple[float, float]] = {}
    for joint in joints:
        if joint.kind == OPEN:
            continue
        side = joint.side
        length = side.length * cell
        wide = 2 if length > 3.0 and rng.random() < (0.5 if joint.kind == FRAME else 0.2) else 1
        options = (_FRAMES if joint.kind == FRAME else _DOORS)[wide]
        width, height, asset = options[int(rng.integers(len(options)))]
        margin = width / 2 + 0.12
        at = float(rng.uniform(margin, length - margin))
        outside = side.neighbour == OUTSIDE
        rooms = (side.room, side.room if outside else side.neighbour)
        walls = [
            wall_id(side.room + FIRST_ROOM, side, cell),
            wall_id("exterior" if outside else side.neighbour + FIRST_ROOM, side, cell),
        ]
        low, high = sorted((1 if outside else side.neighbour + FIRST_ROOM, side.room + FIRST_ROOM))
        record = {
            "id": f"door|{low}|{high}",
            "assetId": asset,
            "room0": room_id(rooms[0]),
            "room1": room_id(rooms[1]),
            "wall0": walls[0],
            "wall1": walls[1],
            **_hole(width, height, at, 0.0),
        }
        if joint.kind == LEAF:
            record |= {"openable": not outside, "openness": 0 if outside else 1}
        records["doors"].append(record)
        taken[walls[0]] = (at - width / 2, at + width / 2)
    return taken


def _windows(
    records: dict[str, list[dict[str, Any]]],
    plan: FloorPlan,
    sides: Sequence[Sequence[Side]],
    taken: dict[str, tuple[float, float]],
    cell: float,
    rng: np.random.Generator,
) -> None:
    for number, kind in enumerate(plan.types):
        outer = [side for side in sides[number] if side.neighbour == OUTSIDE]
        count = 0 if kind == "Bathroom" else int(rng.choice(3, p=(0.1, 0.35, 0.55)))
        for place, side in enumerate(outer[int(k)] for k in rng.permutation(len(outer))[:count]):
            width, height, asset = _WINDOWS[int(rng.integers(len(_WINDOWS)))]
            wall, length = wall_id(number + FIRST_ROOM, side, cell), side.length * cell
            margin = width / 2 + 0.12
            if length < 2 * margin:
                continue
            at = float(rng.uniform(margin, length - margin))
            door = taken.get(wall)
            if door and door[0] - 0.2 < at + width / 2 and at - width / 2 < door[1] + 0.2:
                continue
            records["windows"].append(
                {
                    "id": f"window|{number + FIRST_ROOM}|{place}",
                    "assetId": asset,
                    "room0": room_id(number),
                    "room1": room_id(number),
                    "wall0": wall,
                    "wall1": wall_id("exterior", side, cell),
                    **_hole(width, height, at, round(_WINDOW_MIDDLE - height / 2, 3)),
                }
            )
