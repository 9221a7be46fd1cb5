"""House files into records: .json, .json.gz, .jsonl and .jsonl.gz, every field checked before it is used."""

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from envs.house.errors import HouseError
from envs.house.schema.fields import Node
from envs.house.schema.polygons import flaw
from envs.house.schema.records import (
    AgentPose,
    Door,
    House,
    HouseObject,
    Light,
    Material,
    Point,
    Room,
    Wall,
    Window,
)
from envs.house.schema.upgrade import OLD, SCHEMA, schema_of, upgrade

MAX_FILE_BYTES = 64 << 20
"""Of one house, unpacked; ProcTHOR's have 60 KiB."""
MAX_OBJECTS = 5_000
MAX_DEPTH = 8
"""How deep objects may stand on objects."""
_MAX_ROOMS, _MAX_WALLS, _MAX_OPENINGS, _MAX_CORNERS, _MAX_LIGHTS = 200, 4_000, 1_000, 200, 1_000

BoxSize = Callable[[str], tuple[float, float, float] | None]


def _unknown_size(asset: str) -> None:
    return None


def read_house(path: str | Path, *, box_size: BoxSize = _unknown_size) -> House:
    """Read one house from a .json or .json.gz file.

    Raises HouseError, naming file, key and remedy, for what is no house.
    """
    return parse_house(read_json(path), str(path), box_size=box_size)


def read_houses(path: str | Path, *, box_size: BoxSize = _unknown_size) -> Iterator[House]:
    """Yield the houses of a .jsonl or .jsonl.gz file, one a line, or the one of a .json file."""
    path = Path(path)
    if ".jsonl" not in path.suffixes:
        yield read_house(path, box_size=box_size)
        return
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    source = f"{path}, line {number}"
                    yield parse_house(json_of(text_of(line, source), source), source, box_size=box_size)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def parse_house(
    data: Mapping[str, Any], source: str = "house", *, box_size: BoxSize = _unknown_size
) -> House:
    """Return the house that a JSON object tells; schema 0.0.1 is upgraded.

    Arguments:
        data: the object; it is kept, and must not be changed afterwards.
        source: what errors call it.
        box_size: asset id → its box in metres; only an upgrade asks.

    Raises HouseError, naming `source`, key and remedy, for anything that is no house.
    """
    if not isinstance(data, dict):
        raise HouseError(f"{source}: a house is a JSON object with rooms, walls, objects, …")
    schema = schema_of(data)
    try:
        if schema == OLD:
            data = upgrade(data, source, box_size)
        elif schema != SCHEMA:
            raise HouseError(
                f"{source}: schema {schema or 'unknown'} is not understood, only {SCHEMA} and {OLD}. "
                f"Regenerate the house with a ProcTHOR of ai2thor 5"
            )
        house = _house(Node(data, "", source))
    except RecursionError as error:
        raise HouseError(f"{source}: is nested too deeply for a house") from error
    _check_references(house)
    return house


# files


def read_json(path: str | Path) -> Any:
    """Read a .json or .json.gz file. Raises HouseError for what is no JSON, or more than a house can be."""
    path = Path(path)
    return json_of(text_of(bytes_of(path), str(path)), str(path))


def bytes_of(path: Path) -> bytes:
    """Return a file unpacked. Raises HouseError where it cannot be read or is larger than any house."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    if len(content) > MAX_FILE_BYTES:
        raise HouseError(f"{path}: more than {MAX_FILE_BYTES >> 20} MiB; no house is that large")
    return content


def unreadable(path: Path, error: Exception) -> HouseError:
    if isinstance(error, gzip.BadGzipFile):
        with open(path, "rb") as file:
            if file.read(7) == b"version":
                return HouseError(
                    f"{path}: holds a pointer of git-lfs, not the data: run `git lfs pull` there"
                )
        return HouseError(f"{path}: is not gzip; call it .json if it is plain")
    reason = getattr(error, "strerror", None) or str(error)
    return HouseError(f"{path}: cannot be read ({reason})")


def text_of(content: bytes, source: str) -> str:
    if content.startswith(b"version https://git-lfs"):
        raise HouseError(f"{source}: holds a pointer of git-lfs, not the data: run `git lfs pull` there")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HouseError(f"{source}: is not UTF-8 text (byte {error.start})") from error


def json_of(text: str, source: str) -> Any:
    def refuse(word: str) -> None:
        raise HouseError(f"{source}: holds {word:.40}, which is no number of JSON; write a finite one")

    def finite(word: str) -> float:
        number = float(word)
        if math.isinf(number):
            refuse(word)
        return number

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except json.JSONDecodeError as error:
        raise HouseError(f"{source}: is not JSON ({error})") from error
    except RecursionError as error:
        raise HouseError(f"{source}: is nested too deeply for a house") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise HouseError(f"{source}: {error}") from error


# records


def _house(root: Node) -> House:
    procedural = root["proceduralParameters"]
    ceiling, lights, sky = (
        procedural.get("ceilingMaterial"),
        procedural.get("lights"),
        procedural.get("skyboxId"),
    )
    metadata = root.get("metadata")
    start = metadata.get("agent") if metadata else None
    return House(
        rooms=tuple(_room(each) for each in root["rooms"].items(_MAX_ROOMS)),
        walls=tuple(_wall(each) for each in root["walls"].items(_MAX_WALLS)),
        doors=tuple(_door(each) for each in root["doors"].items(_MAX_OPENINGS)),
        windows=tuple(Window(*_opening(each)) for each in root["windows"].items(_MAX_OPENINGS)),
        objects=_objects(root["objects"]),
        ceiling=_material(ceiling) if ceiling else Material("PureWhite"),
        sky=sky.text() if sky else "",
        lights=tuple(_light(each) for each in lights.items(_MAX_LIGHTS)) if lights else (),
        start=_start(start) if start else None,
        json=root.value,
        source=root.source,
    )


def _material(node: Node) -> Material:
    colour = node.get("color")
    return Material(node["name"].text(), colour.colour() if colour else None)


def _room(node: Node) -> Room:
    floor: list[Point] = []
    for corner in node["floorPolygon"].items(_MAX_CORNERS, least=3):
        floor.append((corner["x"].number(), corner["z"].number()))
    if reason := flaw(floor):
        raise node["floorPolygon"].error(reason)
    kind = node.get("roomType")
    return Room(
        id=node["id"].text(),
        type=kind.text() if kind else "Room",
        floor=tuple(floor),
        material=_material(node["floorMaterial"]),
    )


def _wall(node: Node) -> Wall:
    corners = [corner.vector() for corner in node["polygon"].items(4, least=4)]
    bottom = [(x, z) for x, y, z in corners if abs(y - min(c[1] for c in corners)) < 1e-6]
    height = max(c[1] for c in corners) - min(c[1] for c in corners)
    if len(bottom) != 2 or height < 0.1:
        raise node["polygon"].error(
            "must have two corners on the floor and two above them, a wall's height up"
        )
    (x0, z0), (x1, z1) = bottom
    if min(abs(x1 - x0), abs(z1 - z0)) > 1e-3:
        raise node["polygon"].error("must run along x or z; turn the house until its walls do")
    if math.hypot(x1 - x0, z1 - z0) < 1e-3:
        raise node["polygon"].error("has no length; leave such a wall out")
    room, empty = node.get("roomId"), node.get("empty")
    return Wall(
        id=node["id"].text(),
        room=room.text() if room else "exterior",
        start=(x0, z0),
        end=(x1, z1),
        height=height,
        material=_material(node["material"]),
        empty=empty.flag() if empty else False,
    )


def _opening(node: Node) -> tuple[str, str, tuple[str, str], tuple[str, str], Point, Point]:
    corners = [(c["x"].number(), c["y"].number()) for c in node["holePolygon"].items(4, least=2)]
    low = (min(x for x, _ in corners), min(y for _, y in corners))
    high = (max(x for x, _ in corners), max(y for _, y in corners))
    if high[0] - low[0] < 0.05 or high[1] - low[1] < 0.05:
        raise node["holePolygon"].error("is smaller than 5 cm")
    rooms = (node["room0"].text(), node["room1"].text())
    walls = (node["wall0"].text(), node["wall1"].text())
    return node["id"].text(), node["assetId"].text(), rooms, walls, low, high


def _door(node: Node) -> Door:
    openable, openness = node.get("openable"), node.get("openness")
    return Door(
        *_opening(node),
        openable=openable.flag() if openable else False,
        openness=openness.number(0, 1) if openness else 0.0,
    )


def _objects(node: Node) -> tuple[HouseObject, ...]:
    count = 0

    def read(each: Node, depth: int) -> HouseObject:
        nonlocal count
        count += 1
        if count > MAX_OBJECTS:
            raise node.error(f"has more than {MAX_OBJECTS} entries with their children")
        if depth > MAX_DEPTH:
            raise each.error(f"is object on object {MAX_DEPTH} deep; a cycle of parents looks so too")
        children, material = each.get("children"), each.get("material")
        openness, on, dirty, kinematic = (
            each.get(key) for key in ("openness", "isOn", "isDirty", "kinematic")
        )
        rotation = each.get("rotation")
        return HouseObject(
            id=each["id"].text(),
            asset=each["assetId"].text(),
            position=each["position"].vector(),
            rotation=rotation.angles() if rotation else (0.0, 0.0, 0.0),
            kinematic=kinematic.flag() if kinematic else True,
            children=tuple(read(child, depth + 1) for child in children.items(MAX_OBJECTS))
            if children
            else (),
            openness=openness.number(0, 1) if openness else None,
            on=on.flag() if on else None,
            dirty=dirty.flag() if dirty else None,
            material=_material(material) if material else None,
        )

    return tuple(read(each, 1) for each in node.items(MAX_OBJECTS))


def _light(node: Node) -> Light:
    rotation, colour, reach, intensity = (node.get(key) for key in ("rotation", "rgb", "range", "intensity"))
    return Light(
        id=node["id"].text(),
        type=node["type"].text(),
        position=node["position"].vector(),
        rotation=rotation.angles() if rotation else (0.0, 0.0, 0.0),
        colour=colour.colour() if colour else (1.0, 1.0, 1.0),
        intensity=intensity.number(0, 100) if intensity else 1.0,
        range=reach.number(0) if reach else 15.0,
    )


def _start(node: Node) -> AgentPose:
    horizon, standing, rotation = node.get("horizon"), node.get("standing"), node.get("rotation")
    return AgentPose(
        position=node["position"].vector(),
        yaw=rotation.angles()[1] if rotation else 0.0,
        horizon=horizon.number(-90, 90) if horizon else 0.0,
        standing=standing.flag() if standing else None,
    )


def _check_references(house: House) -> None:
    """Raise HouseError for two of one id, and for an opening whose walls are not there or too small."""
    named = [
        ("rooms", house.rooms),
        ("walls", house.walls),
        ("doors", house.doors),
        ("windows", house.windows),
        ("objects", [each for each, _ in house.every_object()]),
    ]
    for kind, records in named:
        seen: set[str] = set()
        for record in records:
            if record.id in seen:
                raise HouseError(f"{house.source}: two {kind} have the id {record.id!r}; ids must differ")
            seen.add(record.id)
    walls = {wall.id: wall for wall in house.walls}
    for kind, openings in (("doors", house.doors), ("windows", house.windows)):
        for opening in openings:
            for i, id in enumerate(opening.walls):
                if id not in walls:
                    raise HouseError(
                        f"{house.source}: {kind} {opening.id!r} names wall{i} {id!r}, which is not there"
                    )
            wall = walls[opening.walls[0]]
            if opening.low[0] < -0.05 or opening.high[0] > wall.length + 0.05 or opening.low[1] < -0.05:
                raise HouseError(
                    f"{house.source}: the hole of {kind} {opening.id!r}, "
                    f"{opening.low[0]:g} to {opening.high[0]:g} m, "
                    f"does not lie on its wall {wall.id!r} of {wall.length:g} m"
                )
