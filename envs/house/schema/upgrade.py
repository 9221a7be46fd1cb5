"""From ProcTHOR's old house files (schema 0.0.1) to 1.0.0.

Old files write a material as a name with a colour and tiling beside it, and an opening as a bounding box
with the asset's offset in it; new ones nest both. What stands outside gets the room "exterior".
"""

import copy
from collections.abc import Callable
from typing import Any

from envs.house.schema.fields import Node

SCHEMA = "1.0.0"
OLD = "0.0.1"


def schema_of(data: dict[str, Any]) -> str | None:
    """Return the schema that a file names, or that its shape tells where it names none; None if neither."""
    metadata = data.get("metadata")
    named = metadata.get("schema") if isinstance(metadata, dict) else None
    if named is not None:
        return named if isinstance(named, str) else str(named)[:40]
    for kind in ("doors", "windows"):
        for opening in data.get(kind) or ():
            if isinstance(opening, dict):
                return OLD if "boundingBox" in opening else SCHEMA
    for room in data.get("rooms") or ():
        if isinstance(room, dict):
            return OLD if isinstance(room.get("floorMaterial"), str) else SCHEMA
    return SCHEMA if "rooms" in data else None


def upgrade(
    data: dict[str, Any], source: str, box_size: Callable[[str], tuple[float, float, float] | None]
) -> dict[str, Any]:
    """Return a 0.0.1 house as 1.0.0; `data` is left as it is.

    Arguments:
        data: the old file.
        source: what errors call it.
        box_size: asset id → its box (x, y, z) in metres; where it is unknown (None), an opening's asset has
            the size of its hole, which is right within a centimetre.
    """
    house = copy.deepcopy(data)
    root = Node(house, "", source)
    for room in root["rooms"].items(10_000):
        _nest(room.value, "floorMaterial", "floorColor")
    for wall in root["walls"].items(10_000):
        _nest(wall.value, "material", "color")
        if str(wall.value.get("id", "")).startswith("wall|exterior"):
            wall.value["roomId"] = "exterior"
    for kind in ("doors", "windows"):
        for opening in root[kind].items(10_000):
            _open(opening, box_size)
    for record in root["objects"].items(10_000):
        record.value.setdefault("material", None)
        _upgrade_objects([record.value])
    procedural = root["proceduralParameters"].value
    _nest(procedural, "ceilingMaterial", "ceilingColor")
    house.setdefault("metadata", {})["schema"] = SCHEMA
    return house


def _nest(record: dict[str, Any], key: str, colour: str) -> None:
    name = record.get(key)
    if not isinstance(name, str):
        return
    material: dict[str, Any] = {"name": name}
    if record.get(colour) is not None:
        material["color"] = record[colour]
    for axis in "XY":
        tiling = record.pop(f"{key}Tiling{axis}Divisor", None)
        if tiling is not None:
            material[f"tilingDivisor{axis}"] = tiling
    record[key] = material


def _open(opening: Node, box_size: Callable[[str], tuple[float, float, float] | None]) -> None:
    record = opening.value
    if not isinstance(record, dict) or "boundingBox" not in record:
        return
    low, high = opening["boundingBox"]["min"].vector(), opening["boundingBox"]["max"].vector()
    offset = opening["assetOffset"].vector() if "assetOffset" in record else (0.0, 0.0, 0.0)
    size = box_size(opening["assetId"].text()) or tuple(b - a for a, b in zip(low, high, strict=True))
    centre = [low[i] + offset[i] + size[i] / 2 for i in range(2)]
    record["holePolygon"] = [record["boundingBox"]["min"], record["boundingBox"]["max"]]
    record["assetPosition"] = {"x": centre[0], "y": centre[1], "z": 0}
    del record["boundingBox"]
    record.pop("assetOffset", None)


def _upgrade_objects(objects: list[Any]) -> None:
    stack = list(objects)
    while stack:
        record = stack.pop()
        if isinstance(record, dict):
            _nest(record, "material", "color")
            if isinstance(record.get("children"), list):
                stack.extend(record["children"])
