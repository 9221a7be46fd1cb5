"""Sizes that no table tells: inferred from names, walls and what stands on things; against AI2-THOR's own."""

import json
from collections import defaultdict

import numpy as np
import pytest

from envs.house.building.furnish import furnish
from envs.house.objects.sizes import AssetSizes
from envs.house.schema import read_house
from envs.house.schema.polygons import contains

HOUSES = [f"zg_4room_0{k}" for k in range(5)]
HOUSES += ["zg_klb_00", "zg_klb_08", "gs_bedroom", "cc_kitchenliving_schema_1_0_0"]
AGAINST_WALLS = (
    "Bed",
    "CounterTop",
    "Dresser",
    "Fridge",
    "Sink",
    "Sofa",
    "Toilet",
    "TVStand",
    "ShelvingUnit",
)


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "fixtures" / "procthor"


@pytest.fixture(scope="module")
def houses(folder):
    return [read_house(folder / f"{name}.json") for name in HOUSES]


@pytest.fixture(scope="module")
def table(folder):
    return AssetSizes.read(folder / "asset_boxes.json")


@pytest.fixture(scope="module")
def errors(houses, table):
    """Type → relative errors (N, 3) of width, depth and height."""
    found = defaultdict(list)
    for house in houses:
        for ours, theirs in zip(furnish(house, AssetSizes()), furnish(house, table), strict=True):
            found[ours.type].append(np.abs(np.array(ours.size) / theirs.size - 1))
    return {type: np.array(rows) for type, rows in found.items()}


def test_sizes_without_a_table_are_close(errors):
    width, depth, height = np.median(np.concatenate(list(errors.values())), 0)
    assert width < 0.15 and depth < 0.10 and height < 0.10


@pytest.mark.parametrize("type", AGAINST_WALLS)
def test_the_wall_behind_furniture_tells_its_depth(errors, type):
    _, depth, height = np.median(errors[type], 0)
    assert depth < 0.02 and height < 0.02


def test_no_type_is_of_another_order(errors):
    """Medians by type within a factor of two, but for heights and thin sides of a few centimetres."""
    for type, rows in errors.items():
        if type in ("CD", "CreditCard", "Pencil", "Pen", "KeyChain", "ToiletPaper", "ButterKnife", "Faucet"):
            continue
        assert (np.median(rows, 0) < 0.75).all(), (type, np.median(rows, 0))


def test_counters_tell_their_size_in_feet():
    assert AssetSizes().box("Countertop_L_10x8") == pytest.approx((3.048, 0.94, 2.4384))
    assert AssetSizes().box("Sofa_203_1") is None


def outline(house, thing):
    """The room a thing stands in, and its corners on the floor (4, 2)."""
    room = next((r for r in house.rooms if contains(r.floor, np.array([thing.position[:2]]))[0]), None)
    half = np.array(thing.size[:2]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    return room, corners @ thing.rotation[:2, :2].T + thing.position[:2]


@pytest.mark.parametrize("own", [True, False], ids=["no table", "table"])
def test_nothing_sticks_through_its_rooms_walls(houses, table, own):
    for house in houses:
        roots = {record.id for record in house.objects}
        for thing in furnish(house, AssetSizes() if own else table):
            room, corners = outline(house, thing)
            if thing.id in roots and room is not None:
                inwards = corners + (np.array(thing.position[:2]) - corners) * 1e-3
                assert contains(room.floor, inwards).all(), (house.source, thing.id)


def test_boxes_of_a_wrong_table_are_cut_to_their_rooms(houses, folder):
    rows = json.loads((folder / "asset_boxes.json").read_text())
    for row in rows.values():
        row["size"] = [1.6 * row["size"][0], row["size"][1], 1.6 * row["size"][2]]
    crossing = 0
    for house in houses:
        roots = {record.id for record in house.objects}
        for thing in furnish(house, AssetSizes(rows)):
            room, corners = outline(house, thing)
            if thing.id in roots and room is not None:
                inwards = corners + (np.array(thing.position[:2]) - corners) * 1e-3
                crossing += not contains(room.floor, inwards).all()
    assert crossing == 0


def test_what_stands_on_the_floor_has_its_bottom_there(houses, table):
    for house in houses:
        roots = {record.id for record in house.objects}
        pairs = zip(furnish(house, AssetSizes()), furnish(house, table), strict=True)
        for ours, theirs in pairs:
            if ours.id in roots and abs(theirs.position[2] - theirs.size[2] / 2) < 0.02:
                bottom = ours.position[2] - ours.size[2] / 2
                assert abs(bottom) < 0.02, (house.source, ours.id, bottom)


def test_what_stands_on_a_thing_has_its_middle_above_it(houses):
    """All but what lies on a counter that goes round a corner, or next to a thing too small to be its own."""
    inside = []
    for house in houses:
        placed = {thing.id: thing for thing in furnish(house, AssetSizes())}
        for record, parent in house.every_object():
            if parent is not None and record.position[1] > parent.position[1]:
                below, thing = placed[parent.id], placed[record.id]
                aside = np.abs(below.rotation.T @ np.subtract(thing.position, below.position))[:2]
                inside.append((aside <= np.array(below.size[:2]) / 2).all())
    assert np.mean(inside) > 0.97
