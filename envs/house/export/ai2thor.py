"""A house as JSON that the real AI2-THOR builds: only assets that its player has.

ProcTHOR's own houses have no others. What our generator furnishes with becomes the asset of the same type
whose box is the most alike; its bottom stays where it was, its back at the wall, and what stands on it comes
along. What has no such asset is left out with all that stands on it.
Walls and materials are AI2-THOR's already.
"""

import copy
import importlib.util
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from envs.house.building.fitting import distance_to_outline, room_at
from envs.house.building.furnish import furnish
from envs.house.errors import HouseError
from envs.house.objects.sizes import AssetSizes, Size, told_by_name
from envs.house.objects.types import type_of
from envs.house.scene import Thing, from_unity
from envs.house.schema.records import House

_LARGER = 4.0
"""How much more a larger box counts against an asset than a smaller one: it might not fit."""
_AT_THE_WALL = 0.10
"""Metres between a thing and the wall behind it up to which it stands at that wall."""
Carry = Callable[[np.ndarray], np.ndarray]
"""Where a point (x, y, z) of the house, Unity's frame, is after what it stands on was exchanged."""
_ADVICE = (
    "hand in assets=FILE, the asset-database.json of ProcTHOR; `pip install --no-deps procthor` brings it, "
    "and is found by itself"
)


def known_assets(path: str | Path | None = None) -> AssetSizes | None:
    """Return AI2-THOR's assets: a file's, else those of an installed procthor; None without either.

    Raises HouseError for a file that is no such table.
    """
    if path is None:
        spec = importlib.util.find_spec("procthor")
        places = [Path(each) for each in (spec and spec.submodule_search_locations) or ()]
        path = next(
            (file for each in places if (file := each / "databases/asset-database.json").is_file()), None
        )
    return None if path is None else AssetSizes.read(path)


@dataclass
class Exchange:
    """A house for AI2-THOR, and what became of its things."""

    json: dict[str, Any]
    exchanged: Counter = field(default_factory=Counter)
    """Type → how many got another asset."""
    left_out: Counter = field(default_factory=Counter)
    """Type → how many are no longer there."""


def for_ai2thor(house: House, known: AssetSizes | None) -> Exchange:
    """Return a house with the assets that AI2-THOR has.

    Raises HouseError where assets must be exchanged and none is known.
    """
    assets = [each.asset for each, _ in house.every_object()]
    assets += [each.asset for each in (*house.doors, *house.windows)]
    strange = {each for each in assets if (told_by_name(each) if known is None else each not in known)}
    if strange and known is None:
        raise HouseError(
            f"{house.source}: AI2-THOR has no asset {min(strange)}, nor {len(strange) - 1} others of this "
            f"house. To have them exchanged, {_ADVICE}"
        )
    made = Exchange(copy.deepcopy(dict(house.json)))
    if known is not None:
        _Exchanger(house, known, strange, made).run()
    return made


class _Exchanger:
    def __init__(self, house: House, known: AssetSizes, strange: set[str], made: Exchange) -> None:
        self._house, self._known, self._strange, self._made = house, known, strange, made
        self._things = {thing.id: thing for thing in furnish(house, known)}

    def run(self) -> None:
        json = self._made.json
        json["objects"] = self._objects(json["objects"], None)
        for kind in ("doors", "windows"):
            json[kind] = [each for each in json[kind] if self._opening(each)]

    def _opening(self, record: dict[str, Any]) -> bool:
        """Give a door or window an asset that fits its hole; returns whether there is one."""
        if record["assetId"] not in self._strange:
            return True
        low, high = record["holePolygon"][:2]
        size = abs(high["x"] - low["x"]), abs(high["y"] - low["y"]), 0.1
        return self._exchange(record, type_of(record["assetId"]).name, size) is not None

    def _objects(self, records: list[dict[str, Any]], carry: Carry | None) -> list[dict[str, Any]]:
        """Return those that remain. `carry` moves what stands on something; None for the floor and walls."""
        kept = []
        for record in records:
            old = np.array([record["position"][axis] for axis in "xyz"], float)
            thing, new, size = self._things[record["id"]], old if carry is None else carry(old), None
            if record["assetId"] in self._strange:
                wide, deep, high = thing.size
                size = self._exchange(record, thing.type, (wide, high, deep))
                if size is None:
                    self._leave_out(record)
                    continue
                hangs = carry is None and old[1] - high / 2 > _AT_THE_WALL
                new = new + [0, 0 if hangs else (size[1] - high) / 2, 0]
                if carry is None:
                    new = self._at_the_wall(new, thing, size)
            if (new != old).any():
                record["position"] = {
                    axis: round(float(value), 4) for axis, value in zip("xyz", new, strict=True)
                }
            if record.get("children"):
                record["children"] = self._objects(record["children"], _carry(thing, old, new, size))
            kept.append(record)
        return kept

    def _leave_out(self, record: dict[str, Any]) -> None:
        self._made.left_out[self._things[record["id"]].type] += 1
        for child in record.get("children") or ():
            self._leave_out(child)

    def _exchange(self, record: dict[str, Any], type: str, size: Size) -> Size | None:
        """Give a record the asset of the most alike box; returns that box (x, y, z), None without one."""

        def unlike(pair: tuple[str, Size]) -> tuple[float, str]:
            ratios = [math.log(new / old) for new, old in zip(pair[1], size, strict=True)]
            return sum(each * each * (_LARGER if each > 0 else 1) for each in ratios), pair[0]

        found = min(self._known.known(type).items(), key=unlike, default=None)
        if found is None:
            return None
        self._made.exchanged[type] += 1
        record["assetId"] = found[0]
        return found[1]

    def _at_the_wall(self, position: np.ndarray, thing: Thing, size: Size) -> np.ndarray:
        """Keep the back of what stands or hangs at a wall where it was."""
        room = room_at(self._house.rooms, (position[0], position[2]))
        front = thing.rotation[:2, 1]
        axis = int(np.abs(front).argmax())
        if room is None or abs(front[axis]) < 0.999:
            return position
        side = math.copysign(1, front[axis])
        behind = distance_to_outline(room.floor, (position[0], position[2]), axis, -side) - thing.size[1] / 2
        if behind < _AT_THE_WALL:
            position = position.copy()
            position[2 * axis] += side * (size[2] - thing.size[1]) / 2
        return position


def _carry(thing: Thing, old: np.ndarray, new: np.ndarray, size: Size | None) -> Carry:
    """Return how what stands on a thing moves with it; `size` is its new box, None where it kept its own."""
    wide, deep, high = thing.size
    size = size or (wide, high, deep)
    surface = type_of(thing.type).surface
    lift = (new[1] - size[1] / 2 + surface * size[1]) - (old[1] - high / 2 + surface * high)
    narrower = np.minimum([size[0] / wide, size[2] / deep, 1], 1)

    def carried(point: np.ndarray) -> np.ndarray:
        aside = thing.rotation @ (narrower * (thing.rotation.T @ from_unity(point - old)))
        x, _, z = from_unity(aside)
        return np.array([new[0] + x, point[1] + lift, new[2] + z])

    return carried
