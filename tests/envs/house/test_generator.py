"""Generated houses: one from a seed in any process, whole, reachable, never two things in one place."""

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from envs.house.errors import HouseError
from envs.house.generator import generate_house, known_specs, room_spec
from envs.house.schema import House
from envs.house.schema.polygons import contains
from envs.house.simulator import HouseSimulator

BYTES = (
    "import hashlib, json; from envs.house.generator import generate_house; "
    "print(hashlib.sha256(json.dumps([generate_house(s).json for s in range(3)]).encode()).hexdigest())"
)


def test_a_seed_is_a_house_in_any_process() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", BYTES], capture_output=True, text=True, check=True)
        for _ in "ab"
    ]
    assert runs[0].stdout == runs[1].stdout and len(runs[0].stdout) == 65
    assert generate_house(5).json != generate_house(6).json


@pytest.mark.parametrize("spec", known_specs())
def test_every_specification_gives_its_rooms_and_ways_into_them(spec: str) -> None:
    for seed in (1, 2):
        house = generate_house(seed, spec)
        wanted = sorted(room.type for room in known_specs()[spec][1].rooms)
        assert sorted(room.type for room in house.rooms) == wanted
        simulator = HouseSimulator.of_house(house)
        grid = simulator.grid
        start = grid.index((house.start.position[0], house.start.position[2]))
        assert start is not None and grid.components[start] == 0
        for room in house.rooms:  # far more than the five places that ProcTHOR asks for
            assert contains(room.floor, grid.points[grid.components == 0]).sum() > 100
        check_places(house, simulator)


def check_places(house: House, simulator: HouseSimulator) -> None:
    """Furniture stands on the floor of its room and in nothing else; things lie on what holds them."""
    boxes = {record.id: simulator.box(record.id) for record, _ in house.every_object()}
    floor = [
        record for record, parent in house.every_object() if parent is None and "|wall|" not in record.id
    ]
    for record in floor:
        low, high = boxes[record.id]
        assert abs(low[2]) < 1e-3
        room = next(room for room in house.rooms if room.id.split("|")[1] == record.id.split("|")[1])
        corners = np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])
        inner = corners + (np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2]) - corners) * 0.01
        assert contains(room.floor, inner).all(), record.id
    for (one, a), (other, b) in itertools.combinations([(r.id, boxes[r.id]) for r in floor], 2):
        overlap = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
        chairs = {"Chair"} & {simulator.thing(id).type for id in (one, other)}
        assert (overlap < 2e-3).any() or chairs, (one, other)
    for record, parent in house.every_object():
        if parent is not None:
            low, high = boxes[record.id]
            below = boxes[parent.id]
            assert (low[:2] >= below[0][:2] - 1e-3).all() and (high[:2] <= below[1][:2] + 1e-3).all(), (
                record.id
            )
            assert low[2] <= below[1][2] + 1e-3


def test_mistakes() -> None:
    for seed in (-1, 1.5, True, "7"):
        with pytest.raises(HouseError, match="seed"):
            generate_house(seed)
    with pytest.raises(HouseError, match="4-room"):
        generate_house(0, "4-rom")
    for rooms in ([], [["Kitchen"]], [["Garage", 1]], [["Kitchen", 0]], [["Kitchen", 1]] * 30):
        with pytest.raises(HouseError):
            room_spec(rooms)


def test_own_specification() -> None:
    house = generate_house(4, room_spec([["Kitchen", 2], [["Bedroom", 3], ["Bathroom", 1]]]))
    assert sorted(room.type for room in house.rooms) == ["Bathroom", "Bedroom", "Kitchen"]
    assert json.loads(json.dumps(house.json)) == house.json
