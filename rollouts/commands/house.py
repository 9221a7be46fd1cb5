"""`uio2 house export HOUSE --to FORMAT`: a house for viewers and other simulators."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.house.building.boxes import is_boxes, parse_boxes
from envs.house.building.house_scene import house_scene
from envs.house.export.ai2thor import for_ai2thor, known_assets
from envs.house.export.carried import read_carried
from envs.house.generator import generate_house
from envs.house.objects.sizes import AssetSizes
from envs.house.scene import Scene
from envs.house.schema import House, parse_house, read_houses, read_json
from rollouts.errors import RolloutError
from rollouts.output import claim, write_json
from uio2_agent.files import replace_files

_EXPORTED = {".glb": "glb", ".xml": "mjcf"}
"""Suffix of what this command wrote → its format."""


@dataclass(frozen=True)
class _Boxes:
    json: Mapping[str, Any]
    scene: Scene


def main(keys: Mapping[str, Any]) -> int:
    """Write the house and say what became of it."""
    known = known_assets(keys["assets"])
    source = _source(keys, known or AssetSizes())
    output = claim(keys["output"])
    if keys["to"] == "procthor":
        if not isinstance(source, House):
            raise RolloutError(f"{keys['house']}: boxes tell no rooms, so to=procthor has nothing to write")
        made = for_ai2thor(source, known)
        write_json(output / "house.json", made.json)
        print(f"house    {output / 'house.json'}")
        _tell("assets exchanged", made.exchanged)
        _tell("left out", made.left_out)
        return 0
    files = {output / name: content for name, content in _files(keys["to"], source, known).items()}
    replace_files(files)
    for path in files:
        print(f"{'texture' if path.suffix == '.png' else 'house':<9}{path}")
    return 0


def _source(keys: Mapping[str, Any], sizes: AssetSizes) -> House | _Boxes:
    name = keys["house"]
    if (seed := name.removeprefix("seed:")).isdecimal():
        return generate_house(int(seed), keys["spec"])
    path = Path(name).expanduser()
    format = keys["from"] or _EXPORTED.get(path.suffix.lower())
    if ".jsonl" in path.suffixes and format not in _EXPORTED.values():
        houses = read_houses(path, box_size=sizes.box)
    else:
        data = read_carried(path, format) if format in _EXPORTED.values() else read_json(path)
        if format == "habitat" or (format != "procthor" and is_boxes(data)):
            return _Boxes(data, parse_boxes(data, name))
        houses = iter([parse_house(data, name, box_size=sizes.box)])
    found = next(itertools.islice(houses, keys["index"], None), None)
    if found is None:
        raise RolloutError(f"{name} has no house number {keys['index']}; index= counts from 0")
    return found


def _files(to: str, source: House | _Boxes, known: AssetSizes | None) -> dict[str, bytes]:
    from envs.house.export.habitat import dataset_files, stage_files
    from envs.house.export.mjcf import house_mjcf
    from envs.house.simulator import HouseSimulator

    house, boxes = (source, None) if isinstance(source, House) else (None, source.json)
    scene = source.scene if house is None else house_scene(house, known)
    if not scene.things:
        raise RolloutError("the house is empty: there is nothing to write")
    if to == "mjcf":
        return house_mjcf(HouseSimulator(scene, house=house), boxes)
    files = stage_files(scene, house, boxes)
    return files if to == "glb" else files | dataset_files()


def _tell(what: str, types: Counter) -> None:
    if types:
        print(
            f"{what} {types.total()}: {', '.join(f'{type} {count}' for type, count in sorted(types.items()))}"
        )
