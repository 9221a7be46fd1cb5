"""Things in a house are carried, set down, opened and lit, and all of it can be undone."""

import copy
import math
from collections.abc import Iterator

import numpy as np
import pytest

from envs.house.building.house_scene import house_scene
from envs.house.errors import HouseError
from envs.house.generator import generate_house
from envs.house.rendering import Camera, looking
from envs.house.schema import parse_house
from envs.house.sight import box_points, sees
from envs.house.simulator import HELD_AHEAD, HELD_BELOW, HouseSimulator, Stance

CAMERA = Camera(96, 96, 70)


@pytest.fixture(scope="module")
def built() -> Iterator[HouseSimulator]:
    simulator = HouseSimulator.of_house(generate_house(3, "4-room"))
    yield simulator
    simulator.close()


@pytest.fixture
def simulator(built: HouseSimulator) -> HouseSimulator:
    built.restore()
    return built


def _one(simulator: HouseSimulator, type: str) -> str:
    return next(id for id in simulator.states if simulator.thing(id).type == type)


def _before(simulator: HouseSimulator, id: str) -> np.ndarray:
    """What is seen half a metre before a thing's front."""
    thing = simulator.now(id)
    front = thing.rotation @ np.array([0, 1.0, 0])
    eye = np.array(thing.position) + front * (thing.size[1] / 2 + 0.6)
    yaw = math.atan2(front[0], -front[1])
    return simulator.renderer.view(CAMERA, eye, looking(yaw, 0.0)).rgb


def test_a_thing_in_the_hand_goes_where_the_body_goes(simulator: HouseSimulator) -> None:
    mug, place = _one(simulator, "Mug"), simulator.place
    start = simulator.house.start
    simulator.stand(Stance(start.position[0], start.position[2], yaw=0.7))
    simulator.take(mug)
    for stance in (simulator.stance, Stance(1.0, 2.0, yaw=2.0)):
        simulator.stand(stance)
        ahead = np.array([-math.sin(stance.yaw), math.cos(stance.yaw), 0]) * HELD_AHEAD
        assert np.allclose(simulator.states[mug].position, stance.position + ahead - [0, 0, HELD_BELOW])
    seen = simulator.view(CAMERA, segmentation=True).segmentation
    assert (seen == place[mug]).any()
    simulator.put(mug, (1.0, 3.0, 0.05))
    assert simulator.held is None and np.allclose(
        simulator.box(mug)[0][2], 0.05 - simulator.thing(mug).size[2] / 2
    )
    met, _ = simulator.ray(np.array([1.0, 3.0, 1.0]), np.array([1.0, 3.0, 0.0]))
    assert met == place[mug]


def test_what_stands_on_a_thing_goes_with_it(simulator: HouseSimulator) -> None:
    table = next(id for id in simulator.states if simulator.standing_on(id))
    before = {id: simulator.states[id].position.copy() for id in simulator.standing_on(table)}
    shift = np.array([0.4, -0.2, 0.0])
    simulator.put(table, simulator.states[table].position + shift)
    for id, position in before.items():
        assert np.allclose(simulator.states[id].position, position + shift)


def test_open_doors_and_lit_lamps_show_and_restoring_undoes_them(simulator: HouseSimulator) -> None:
    for type, change in (
        ("Fridge", lambda id: simulator.open(id, 1.0)),
        ("Television", lambda id: simulator.switch(id, True)),
    ):
        id = _one(simulator, type)
        before = _before(simulator, id)
        change(id)
        assert (np.abs(_before(simulator, id).astype(int) - before) > 8).mean() > 0.02, type
        simulator.restore()
        assert np.array_equal(_before(simulator, id), before), type


def test_a_state_leads_back(simulator: HouseSimulator) -> None:
    mug, fridge = _one(simulator, "Mug"), _one(simulator, "Fridge")
    simulator.stand(Stance(2.0, 2.0, yaw=1.0))
    simulator.take(mug)
    simulator.open(fridge, 0.5)
    state, seen = simulator.state(), simulator.view(CAMERA).rgb.copy()
    simulator.restore()
    simulator.set_state(state)
    assert simulator.held == mug and simulator.states[fridge].openness == 0.5
    assert np.array_equal(simulator.view(CAMERA).rgb, seen)


@pytest.mark.parametrize("id", ["world", "the house", "outside", "shadow 0", "a room's", "a door's frame"])
def test_an_id_that_is_taken_is_told(id: str) -> None:
    """Of something of another kind, or of what the model has besides."""
    found = copy.deepcopy(dict(generate_house(3, "bedroom-bathroom").json))
    rooms, doors = found["rooms"], found["doors"]
    taken = {"a room's": rooms[0]["id"], "a door's frame": f"frame|{doors[0]['id']}"}.get(id, id)
    found["objects"][0]["id"] = taken
    with pytest.raises(HouseError, match=r"^my\.json: .*another one$") as error:
        house_scene(parse_house(found, "my.json"))
    assert repr(taken) in str(error.value)


def test_what_lies_on_a_bed_or_a_sofa_is_seen_from_above_and_what_is_in_it_is_not() -> None:
    """Their boxes reach around what lies on them; sight goes by what is drawn."""
    looked_at = 0
    for seed in range(4):
        simulator = HouseSimulator.of_house(generate_house(seed))
        for id, state in simulator.states.items():
            if state.parent is None or simulator.thing(state.parent).type not in ("Bed", "Sofa"):
                continue
            looked_at += 1
            eye = np.array([*state.position[:2], 2.2])
            assert any(sees(simulator, id, eye, point) for point in box_points(simulator, id)), id
            inside = np.array([*state.position[:2], 0.25])  # in the mattress or the seat
            met, far = simulator.ray(eye, inside)
            assert met is not None and far < 2.2 - 0.25
    assert looked_at > 5
