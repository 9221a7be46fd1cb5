"""A house from a seed: floor plan, shell, furniture, small things, lights and a place to start.

The result is a house file like ProcTHOR's, schema 1.0.0. A seed is a house: the same bytes on any machine.
Numbers are rounded before they are compared or written, and nothing but additions, products and draws of
NumPy's PCG64 decides.
"""

from typing import Any

import numpy as np

from envs.errors import unknown_name
from envs.house.errors import HouseError
from envs.house.generator.contents import contents, often, piece
from envs.house.generator.doors import LEAF, OPEN, Joint, joints
from envs.house.generator.floorplan import OUTSIDE, floor_plan
from envs.house.generator.furniture import Placed, furnish
from envs.house.generator.outlines import Side, sides
from envs.house.generator.shell import FIRST_ROOM, corner, room_id, shell, wall_id
from envs.house.generator.space import STEP, Rectangle, Space
from envs.house.generator.specs import RoomSpec, known_specs
from envs.house.generator.surfaces import fill_tops, top_height
from envs.house.schema import House, parse_house

_TAG = 0x484F5553
"""Keeps these seeds apart from everybody else's."""
_TRIES = 20
_AGENT_HEIGHT = 0.95
_SKIES = ("SkyAlbany", "SkyAlbanyHill", "SkyGarden", "SkyGasworks", "SkyTropical", "SkySFGarden")


def generate_house(seed: int, spec: str | RoomSpec | None = None) -> House:
    """Return the house of a seed.

    Arguments:
        seed: any integer from 0.
        spec: a room specification or the id of a built-in one; None draws one by weight.

    Raises HouseError for an unknown specification.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise HouseError(f"a house's seed is an integer from 0; got {seed!r}")
    for attempt in range(_TRIES):
        rng = np.random.default_rng([_TAG, int(seed), attempt])
        found = _attempt(seed, spec, rng)
        if found is not None:
            return parse_house(found, f"generated house {seed}")
    raise HouseError(
        f"no house came out of seed {seed} with rooms {spec!r}: use another seed or other shares"
    )


def _attempt(seed: int, spec: str | RoomSpec | None, rng: np.random.Generator) -> dict[str, Any] | None:
    name, rooms = _spec(spec, rng)
    plan = floor_plan(rooms, rng)
    cell = round(1.6 + STEP * int(rng.integers(0, 9)), 2)
    height = round(2.5 + 1.6 * float(rng.random()) * float(rng.random()), 2)
    outlines = [sides(plan.cells, number) for number in range(len(plan.types))]
    ways = joints(plan, outlines, rng)
    records = shell(plan, outlines, ways, cell, height, rng)
    space = Space(plan, round(cell / STEP))
    _open_up(space, ways, records, cell)
    _keep_windows_free(space, records, plan, cell)
    if not space.passable():
        return None
    placed = furnish(plan, outlines, space, cell, rng)
    fill_tops(placed, rng)
    objects = _objects(placed, plan.types)
    objects += _hangings(plan.types, outlines, records, placed, cell, height, rng)
    start = _start(space, rng)
    if start is None:
        return None
    return {
        **records,
        "objects": objects,
        "proceduralParameters": _procedural(plan.types, records, height, rng),
        "metadata": {
            "schema": "1.0.0",
            "roomSpecId": name,
            "agent": start,
            "warnings": {},
            "generator": {"name": "uio2-agent", "seed": int(seed)},
        },
    }


def _spec(spec: str | RoomSpec | None, rng: np.random.Generator) -> tuple[str, RoomSpec]:
    if isinstance(spec, RoomSpec):
        return "custom", spec if spec.type is None else RoomSpec(None, spec.share, (spec,))
    known = known_specs()
    if spec is None:
        weights = np.array([weight for weight, _ in known.values()])
        spec = list(known)[int(rng.choice(len(known), p=weights / weights.sum()))]
    if spec not in known:
        raise HouseError(str(unknown_name("room specification", spec, known)))
    return spec, known[spec][1]


# what doors and windows need


def _open_up(space: Space, ways: list[Joint], records: dict[str, list[dict[str, Any]]], cell: float) -> None:
    """Open the walls at doors, and keep the floor before them free."""
    doors = iter(records["doors"])
    for way in ways:
        if way.kind == OPEN:
            (x0, z0), (x1, z1) = sorted((corner(way.side.start, cell), corner(way.side.end, cell)))
            space.open(_grown(Rectangle(x0, z0, x1, z1), 0.06, along=-0.06, side=way.side))
            continue
        door = next(doors)
        low, high = door["holePolygon"][0]["x"], door["holePolygon"][1]["x"]
        hole = _along(way.side, cell, low, high)
        if way.side.neighbour != OUTSIDE:
            space.open(_grown(hole, 0.06, along=-0.06, side=way.side))
        space.keep(_clip(_grown(hole, 0.9, along=0.05, side=way.side)))
        if way.kind == LEAF and door["openness"]:
            space.block(_clip(_leaf(way.side, cell, low, high)))


def _along(side: Side, cell: float, low: float, high: float) -> Rectangle:
    """The stretch of a side between two distances from its start, without depth."""
    (x, z), (dx, dz) = corner(side.start, cell), _way(side)
    a, b = (x + dx * low, z + dz * low), (x + dx * high, z + dz * high)
    return Rectangle(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))


def _way(side: Side) -> tuple[int, int]:
    return (side.end[0] - side.start[0]) // side.length, (side.end[1] - side.start[1]) // side.length


def _grown(zone: Rectangle, aside: float, *, along: float, side: Side) -> Rectangle:
    dx, dz = (along, aside) if _way(side)[0] else (aside, along)
    return Rectangle(zone.x0 - dx, zone.z0 - dz, zone.x1 + dx, zone.z1 + dz)


def _clip(zone: Rectangle) -> Rectangle:
    return Rectangle(max(zone.x0, 0.0), max(zone.z0, 0.0), max(zone.x1, 0.0), max(zone.z1, 0.0))


def _leaf(side: Side, cell: float, low: float, high: float) -> Rectangle:
    """Where an open leaf stands: hinged at the hole's lower end, square to the wall, in the other room."""
    (x, z), (dx, dz) = corner(side.start, cell), _way(side)
    hinge = (x + dx * (low + 0.06), z + dz * (low + 0.06))
    out = (-dz, dx)  # to the left of the way
    tip = (hinge[0] + out[0] * (high - low - 0.12), hinge[1] + out[1] * (high - low - 0.12))
    return Rectangle(
        min(hinge[0], tip[0]) - 0.03,
        min(hinge[1], tip[1]) - 0.03,
        max(hinge[0], tip[0]) + 0.03,
        max(hinge[1], tip[1]) + 0.03,
    )


def _keep_windows_free(space: Space, records: dict[str, list[dict[str, Any]]], plan, cell: float) -> None:
    """Nothing tall stands before a window."""
    walls = {wall["id"]: wall for wall in records["walls"]}
    for window in records["windows"]:
        a, b = (window["holePolygon"][k]["x"] for k in (0, 1))
        start, end = (walls[window["wall0"]]["polygon"][k] for k in (0, 1))
        length = abs(end["x"] - start["x"]) + abs(end["z"] - start["z"])
        dx, dz = (end["x"] - start["x"]) / length, (end["z"] - start["z"]) / length
        xs = sorted((start["x"] + dx * a, start["x"] + dx * b))
        zs = sorted((start["z"] + dz * a, start["z"] + dz * b))
        deep = (0.0, 0.5) if dx else (0.5, 0.0)
        zone = Rectangle(xs[0] - deep[0], zs[0] - deep[1], xs[1] + deep[0], zs[1] + deep[1])
        space.limit(_clip(zone), window["holePolygon"][0]["y"] + 0.15)


# records


def _object(
    id: str, asset: str, x: float, y: float, z: float, yaw: float, *, kinematic: bool
) -> dict[str, Any]:
    return {
        "id": id,
        "assetId": asset,
        "kinematic": kinematic,
        "position": {"x": round(x, 3), "y": round(y, 4), "z": round(z, 3)},
        "rotation": {"x": 0, "y": yaw % 360, "z": 0},
    }


def _objects(placed: list[Placed], types: tuple[str, ...]) -> list[dict[str, Any]]:
    records, floor, small = [], dict.fromkeys(range(len(types)), 0), dict.fromkeys(range(len(types)), 0)
    for main in placed:
        number = main.room + FIRST_ROOM
        id = f"{main.piece.type}|{number}|{floor[main.room]}"
        floor[main.room] += 1
        record = _object(
            id, main.piece.asset, main.x, main.piece.size[1] / 2, main.z, main.yaw, kinematic=True
        )
        dx, dz = {0: (0, 1), 90: (1, 0), 180: (0, -1), 270: (-1, 0)}[main.yaw]
        children = []
        for top in main.tops:
            x = main.x + dz * top.right + dx * top.ahead
            z = main.z - dx * top.right + dz * top.ahead
            y = top_height(main) + top.piece.size[1] / 2
            name = f"{top.piece.type}|surface|{number}|{small[main.room]}"
            small[main.room] += 1
            children.append(_object(name, top.piece.asset, x, y, z, main.yaw + top.yaw, kinematic=False))
        if children:
            record["children"] = children
        records.append(record)
    return records


def _hangings(
    types: tuple[str, ...],
    outlines: list[list[Side]],
    records: dict[str, list[dict[str, Any]]],
    placed: list[Placed],
    cell: float,
    height: float,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Pictures and rails on walls, over nothing tall and beside doors and windows."""
    taken: dict[str, list[tuple[float, float]]] = {}
    for opening in (*records["doors"], *records["windows"]):
        low, high = (opening["holePolygon"][k]["x"] for k in (0, 1))
        taken.setdefault(opening["wall0"], []).append((low, high))
    lengths = {}
    for wall in records["walls"]:
        a, b = wall["polygon"][0], wall["polygon"][1]
        lengths[wall["id"]] = abs(a["x"] - b["x"]) + abs(a["z"] - b["z"])
    for door in records["doors"]:
        low, high = (door["holePolygon"][k]["x"] for k in (0, 1))
        length = lengths[door["wall1"]]
        taken.setdefault(door["wall1"], []).append((length - high, length - low))
    empty = {wall["id"] for wall in records["walls"] if wall.get("empty")}
    found = []
    for room, kind in enumerate(types):
        count = 0
        for type, entry in contents()["walls"][kind].items():
            chance, most = often(entry)
            for _ in range(most):
                side = outlines[room][int(rng.integers(len(outlines[room])))]
                what, draw, at = piece(type, rng), float(rng.random()), float(rng.random())
                id = wall_id(room + FIRST_ROOM, side, cell)
                length, half = side.length * cell, what.size[0] / 2
                along = round(half + 0.1 + at * max(length - 2 * half - 0.2, 0.0), 3)
                middle = 1.15 if type == "TowelHolder" else 1.6
                clash = any(
                    low - 0.1 < along + half and along - half < high + 0.1 for low, high in taken.get(id, ())
                )
                if (
                    draw >= chance
                    or id in empty
                    or clash
                    or length < 2 * half + 0.2
                    or middle + what.size[1] / 2 > height - 0.1
                ):
                    continue
                (x, z), (dx, dz) = corner(side.start, cell), _way(side)
                inward = (dz, -dx)
                away = what.size[2] / 2 + 0.012
                spot = (x + dx * along + inward[0] * away, z + dz * along + inward[1] * away)
                if _behind_tall(spot, half, middle - what.size[1] / 2, room, placed):
                    continue
                yaw = {(0, 1): 0, (1, 0): 90, (0, -1): 180, (-1, 0): 270}[inward]
                taken.setdefault(id, []).append((along - half, along + half))
                name = f"{type}|wall|{room + FIRST_ROOM}|{count}"
                count += 1
                found.append(_object(name, what.asset, spot[0], middle, spot[1], yaw, kinematic=True))
    return found


def _behind_tall(
    spot: tuple[float, float], half: float, bottom: float, room: int, placed: list[Placed]
) -> bool:
    for main in placed:
        top = max([main.piece.size[1], *(top_height(main) + top.piece.size[1] for top in main.tops)])
        zone, near = main.zone, half + 0.05
        if (
            main.room == room
            and top > bottom - 0.05
            and (zone.x0 - near < spot[0] < zone.x1 + near and zone.z0 - near < spot[1] < zone.z1 + near)
        ):
            return True
    return False


def _procedural(
    types: tuple[str, ...], records: dict[str, list[dict[str, Any]]], height: float, rng: np.random.Generator
) -> dict[str, Any]:
    shadow = {
        "type": "Soft",
        "strength": 1,
        "normalBias": 0,
        "bias": 0.05,
        "nearPlane": 0.2,
        "resolution": "FromQualitySettings",
    }
    lights: list[dict[str, Any]] = [
        {
            "id": "DirectionalLight",
            "type": "directional",
            "position": {"x": 0.84, "y": 0.1855, "z": -1.09},
            "rotation": {"x": 66, "y": 75, "z": 0},
            "intensity": 1,
            "indirectMultiplier": 1.0,
            "rgb": {"r": 1.0, "g": 1.0, "b": 1.0},
            "shadow": {**shadow, "bias": 0},
        }
    ]
    for number in range(len(types)):
        corners = records["rooms"][number]["floorPolygon"]
        x, z = (sum(point[axis] for point in corners) / len(corners) for axis in ("x", "z"))
        lights.append(
            {
                "id": f"light_{number + FIRST_ROOM}",
                "type": "point",
                "position": {"x": round(x, 3), "y": round(height - 0.2, 3), "z": round(z, 3)},
                "intensity": 0.75 if rng.random() < 0.5 else 0.45,
                "range": 15,
                "rgb": {"r": 1.0, "g": 0.855, "b": 0.722},
                "shadow": dict(shadow),
                "roomId": room_id(number),
            }
        )
    return {
        "ceilingMaterial": {"name": "PureWhite"},
        "floorColliderThickness": 1.0,
        "receptacleHeight": 0.7,
        "lights": lights,
        "reflections": [],
        "skyboxId": str(_SKIES[int(rng.integers(len(_SKIES)))]),
    }


def _start(space: Space, rng: np.random.Generator) -> dict[str, Any] | None:
    """A place to start: a multiple of 25 cm with room around it."""
    walkable = space.walkable()
    spots = [(i, j) for i, j in np.argwhere(walkable).tolist() if (i * 2) % 5 == 0 and (j * 2) % 5 == 0]
    spots = [(i, j) for i, j in spots if walkable[max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3].all()]
    if not spots:
        return None
    i, j = spots[int(rng.integers(len(spots)))]
    return {
        "position": {"x": round(i * 2 * STEP, 2), "y": _AGENT_HEIGHT, "z": round(j * 2 * STEP, 2)},
        "rotation": {"x": 0, "y": int(rng.integers(4)) * 90, "z": 0},
        "horizon": 30,
        "standing": True,
    }
