"""House files: real ones are read, old ones upgraded as ProcTHOR does, and nonsense is named."""

import copy
import gzip
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs.house.errors import HouseError
from envs.house.generator import generate_house
from envs.house.objects.sizes import AssetSizes
from envs.house.schema import parse_house, read_house, read_houses
from envs.house.schema.polygons import contains, flaw, rectangles, signed_area

FIXTURES = Path("../shared/fixtures/procthor")
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no ../shared/fixtures/procthor here")
HOUSES = sorted(FIXTURES.glob("[czgh]*_*.json"))


@needs_fixtures
@pytest.mark.parametrize("path", HOUSES, ids=lambda path: path.stem)
def test_real_houses_are_read(path: Path) -> None:
    house, told = read_house(path), json.loads(path.read_text())
    assert [room.id for room in house.rooms] == [room["id"] for room in told["rooms"]]
    assert len(house.walls) == len(told["walls"]) and len(house.doors) == len(told["doors"])
    assert all(signed_area(room.floor) < 0 for room in house.rooms)  # clockwise from above

    def count(objects: list[dict[str, Any]]) -> int:
        return sum(1 + count(each.get("children", [])) for each in objects)

    assert len(list(house.every_object())) == count(told["objects"])
    for door in house.doors:  # the hole lies on both sides at the same place in the house
        first, second = (next(wall for wall in house.walls if wall.id == id) for id in door.walls)
        middle = (door.low[0] + door.high[0]) / 2
        ends = [_point(first, middle), _point(second, second.length - middle)]
        assert np.allclose(*ends, atol=0.02)


def _point(wall: Any, along: float) -> np.ndarray:
    start, end = np.array(wall.start), np.array(wall.end)
    return start + (end - start) * along / wall.length


@needs_fixtures
def test_the_upgrade_is_procthors_own() -> None:
    sizes = AssetSizes.read(FIXTURES / "asset_boxes.json")
    old, new = (FIXTURES / f"cc_kitchenliving_schema_{version}.json" for version in ("0_0_1", "1_0_0"))
    before = old.read_bytes()
    upgraded = read_house(old, box_size=sizes.box).json

    def compare(ours: Any, theirs: Any, place: str = "") -> None:
        assert type(ours) is type(theirs) or {type(ours), type(theirs)} == {int, float}, place
        if isinstance(ours, dict):
            assert set(ours) == set(theirs), place
            for key in ours:
                compare(ours[key], theirs[key], f"{place}.{key}")
        elif isinstance(ours, list):
            assert len(ours) == len(theirs), place
            for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                compare(a, b, f"{place}[{number}]")
        elif isinstance(ours, float):
            assert math.isclose(ours, theirs, abs_tol=1e-4), place  # the table of boxes is rounded
        else:
            assert ours == theirs, place

    compare(upgraded, json.loads(new.read_text()))
    assert old.read_bytes() == before


def test_files_of_every_form(tmp_path: Path) -> None:
    houses = [generate_house(seed, "bedroom").json for seed in range(2)]
    lines = "\n".join(json.dumps(house) for house in houses)
    (tmp_path / "one.json").write_text(json.dumps(houses[0]))
    (tmp_path / "one.json.gz").write_bytes(gzip.compress(json.dumps(houses[0]).encode()))
    (tmp_path / "two.jsonl").write_text(lines + "\n")
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read_house(tmp_path / "one.json").json == read_house(tmp_path / "one.json.gz").json == houses[0]
    for name in ("two.jsonl", "two.jsonl.gz"):
        assert [house.json for house in read_houses(tmp_path / name)] == houses


CHANGES = [
    ("rooms", "delete", "lacks 'rooms'"),
    ("rooms[0].floorPolygon[1].x", "far", "must be a number"),
    ("rooms[0].floorPolygon[1].x", float("nan"), "finite number"),
    ("rooms[0].floorPolygon[1].x", 1e9, "finite number"),
    ("rooms[0].floorPolygon", [], "3 to 200"),
    ("rooms[0].id", 7, "must be a text"),
    ("rooms[0].id", "room\0", "without NUL"),
    ("objects[0].id", "\ud800", "half characters"),
    ("rooms[0].floorMaterial.color", {"r": 2, "g": 0, "b": 0}, "from 0 to 1"),
    ("walls[0].polygon", [], "4 to 4"),
    ("walls[1].id", "same as 0", "two walls have the id"),
    ("doors[0].wall0", "wall|nowhere", "which is not there"),
    ("doors[0].holePolygon[1].x", 400, "does not lie on its wall"),
    ("objects[0].position", None, "lacks 'position'"),
    ("objects[0].openness", 3, "from 0 to 1"),
    ("objects[0].kinematic", "yes", "true or false"),
    ("metadata.schema", "2.0.0", "schema 2.0.0 is not understood"),
    ("metadata.agent.horizon", [], "must be a number"),
    ("proceduralParameters", [], "must be an object"),
    ("doors", {}, "must be a list"),
]


@pytest.mark.parametrize(
    ("place", "value", "said"), CHANGES, ids=[f"{place}={value!a}" for place, value, _ in CHANGES]
)
def test_what_is_wrong_is_named(place: str, value: Any, said: str) -> None:
    house = copy.deepcopy(generate_house(3, "bedroom-bathroom").json)
    keys = place.replace("[", ".").replace("]", "").split(".")
    at: Any = house
    for key in keys[:-1]:
        at = at[int(key)] if key.isdigit() else at[key]
    last = int(keys[-1]) if keys[-1].isdigit() else keys[-1]
    if value == "delete":
        del at[last]
    else:
        at[last] = house["walls"][0]["id"] if value == "same as 0" else value
    with pytest.raises(HouseError, match=r"^my\.json: ") as error:
        parse_house(house, "my.json")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_hostile_houses_are_refused_at_once(tmp_path: Path) -> None:
    plain = generate_house(3, "bedroom").json
    many = {**plain, "objects": [dict(plain["objects"][0], id=str(k)) for k in range(100_000)]}
    cycle = copy.deepcopy(plain)
    cycle["objects"][0]["children"] = [cycle["objects"][0]]
    crossing = copy.deepcopy(plain)
    corners = [(0, 0), (4, 0), (4, 2), (2, 2), (2, -1), (0, -1)]
    crossing["rooms"][0]["floorPolygon"] = [{"x": x, "y": 0, "z": z} for x, z in corners]
    slanted = copy.deepcopy(plain)
    slanted["rooms"][0]["floorPolygon"][0]["x"] += 0.5
    for house, said in (
        (many, "entries"),
        (cycle, "cycle"),
        (crossing, "crosses"),
        (slanted, "along x and z"),
    ):
        began = time.process_time()
        with pytest.raises(HouseError, match=said):
            parse_house(house)
        assert time.process_time() - began < 2
    texts = {
        b"[" * 100_000: "nested too deeply",
        b'{"rooms": NaN}': "NaN",
        b"version https://git-lfs.github.com/spec/v1": "git lfs pull",
        b"\xff\xfe": "UTF-8",
        b"{": "not JSON",
        b"[]": "a JSON object",
        b'{"rooms": ' + b"9" * 5_000 + b"}": "digits",
    }
    for text, said in texts.items():
        (tmp_path / "bad.json").write_bytes(text)
        with pytest.raises(HouseError, match=said):
            read_house(tmp_path / "bad.json")
    (tmp_path / "bad.json.gz").write_bytes(gzip.compress(b"{}" * 100)[:20])
    (tmp_path / "plain.json.gz").write_bytes(b"{}")
    for name in ("bad.json.gz", "plain.json.gz", "missing.json"):
        with pytest.raises(HouseError, match=name):
            read_house(tmp_path / name)


def test_polygons() -> None:
    ring = [(0, 0), (0, 4), (2, 4), (2, 2), (5, 2), (5, 0)]
    pieces = rectangles(ring)
    area = sum((b[0] - a[0]) * (b[1] - a[1]) for a, b in pieces)
    assert flaw(ring) is None and area == -signed_area(ring) == 14
    points = np.random.default_rng(0).uniform(-1, 6, (500, 2))
    covered = [any(a[0] < x < b[0] and a[1] < z < b[1] for a, b in pieces) for x, z in points]
    assert contains(ring, points).tolist() == covered
