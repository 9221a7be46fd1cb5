"""Maps of houses: what is on them is where it is in the house."""

import math
from collections import Counter

import numpy as np
import pytest

import envs
from envs.house.rendering import Camera
from envs.house.tasks import maps
from policies.embodiments.navigation import NAVIGATION

PLACES = [("procthor", "ObjectNav"), ("habitat", "PointNav"), ("habitat", "ObjectNav")]
"""Suites and tasks whose actions are numbers."""


def begin(suite, task, seed, **options):
    env = envs.suite(suite).make(task, "small", size=32, **options).unwrapped
    return env, *env.reset(seed=seed)


@pytest.mark.parametrize(("suite", "task"), PLACES)
def test_a_pose_and_a_goal_are_where_they_are_seen_from_above(rendering, suite, task):
    env, observation, _ = begin(suite, task, 5)
    drawn, place = env.floor_map(), env._simulator
    height, width = drawn.picture.shape[:2]
    low, high = place.scene.bounds
    metre = 400 / ((high - low)[:2].max() + 0.4)  # the longer side has 400 pixels, 0.2 m around the walls
    for action in (1, 2, 1, 1, 3, 3, 1):
        observation, *_ = env.step(action)
        (x, y), (column, row) = place.stance.point, drawn.pixels([observation["pose"][:2]])[0]
        assert column == pytest.approx((x - low[0] + 0.2) * metre, abs=0.6)
        assert row == pytest.approx(height - (y - low[1] + 0.2) * metre, abs=0.6)
    assert drawn.goals
    seen = place.renderer.view(
        Camera(width, height, 90.0), np.array([*(low + high)[:2] / 2, high[2] + 1]), np.eye(3),
        rgb=False, segmentation=True, ceilings=False, extent=height / metre,
    ).segmentation  # fmt: skip
    if task == "ObjectNav":
        kinds = {place.thing(id).type for id in env._ids}
        hit = 0
        for column, row in drawn.pixels(drawn.goals).astype(int):
            around = np.unique(seen[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4])
            hit += any(place.scene.things[number].type in kinds for number in around if number >= 0)
        assert hit >= len(drawn.goals) / 2  # something may stand above one
    env.close()


def test_a_point_goal_is_as_far_on_the_map_as_the_sensor_says(rendering):
    env, observation, _ = begin("habitat", "PointNav", 7)
    ((right, ahead),) = env.floor_map().goals
    far, left = observation["pointgoal"]
    assert (math.hypot(right, ahead), math.atan2(-right, ahead)) == pytest.approx((far, left), abs=1e-5)
    env.close()


def test_rooms_hold_what_the_file_says(rendering, shared):
    """ProcTHOR names a thing after the number of its room, where it stands on the floor."""
    file = shared / "fixtures" / "procthor" / "zg_4room_00.json"
    env = envs.suite("procthor").make("ObjectNav", houses=str(file), size=32).unwrapped
    env.reset(seed=0)
    house, drawn = env._house, env.floor_map()
    kinds = {kind for room in drawn.rooms for kind in room.objects}
    told = [(record.id.split("|")[:2], record) for record in house.objects]
    told = [(f"room|{room}", maps.in_words(kind)) for (kind, room), _ in told if maps.in_words(kind) in kinds]
    assert len(told) > 8
    for room, found in zip(house.rooms, drawn.rooms, strict=True):
        assert found.name == maps.in_words(room.type)
        mine = Counter(kind for id, kind in told if id == room.id)
        assert not mine - Counter(found.objects), room.id
    everything = sum(1 for _ in house.every_object())
    assert 0.95 * everything <= sum(len(room.objects) for room in drawn.rooms) <= everything
    env.close()


@pytest.mark.parametrize(("suite", "task"), PLACES)
def test_being_held_up_is_read_from_states(rendering, suite, task):
    """The way that is drawn tells of as many collisions as the environment counted."""
    env, observation, info = begin(suite, task, 3, sensors=())
    rng, actions = np.random.default_rng(0), []
    states = [NAVIGATION.state(observation, info)]
    for _ in range(150):
        actions.append(int(rng.choice([1, 1, 1, 2, 3])))
        observation, _, _, _, info = env.step(actions[-1])
        states.append(NAVIGATION.state(observation, info))
    track = NAVIGATION.track(states, actions)
    assert info["metrics"]["collisions"] > 5
    assert track.held_up.sum() == info["metrics"]["collisions"]
    walked = np.linalg.norm(np.diff(track.points, axis=0), axis=1).sum()
    assert walked == pytest.approx(info["metrics"]["path_length"], abs=1e-3)
    env.close()


def test_pick_and_place_shows_what_is_brought_and_where(rendering):
    env, *_, info = begin("procthor", "PickAndPlace", 5)
    kinds = [env._simulator.thing(id).type for id in env._simulator.states]
    count = kinds.count(info["target"]) + kinds.count(info["receptacle"])
    assert len(env.floor_map().goals) == count >= 2
    env.close()


def test_boxes_are_drawn_by_where_a_body_can_stand(rendering, shared, tmp_path):
    from envs.habitat.embedded import EmbeddedSimulator
    from envs.habitat.place import MeshPlace
    from envs.habitat.specs import CameraSpec

    scene = next((shared / "fixtures" / "habitat_sim").rglob("house.json"))
    cameras = [CameraSpec("rgb", "color", 32, 32), CameraSpec("depth", "depth", 32, 32)]
    place = MeshPlace(EmbeddedSimulator(scene, cameras=cameras), str(scene))
    rng = np.random.default_rng(1)
    place.put(place.simulator.random_point(rng), (0, 0, 0, 1))
    picture, corner, scale = place.plan()
    free = (picture[..., 0] > 200)[::4, ::4]
    assert 0.1 < free.mean() < 0.9
    agree = 0
    for _ in range(200):
        x, _, z = place.simulator.random_point(rng)
        column, row = (x - corner[0]) * scale, picture.shape[0] - (-z - corner[1]) * scale
        agree += picture[min(int(row), picture.shape[0] - 1), min(int(column), picture.shape[1] - 1), 0] > 200
    assert agree > 180  # a cell has 10 cm
    place.close()
