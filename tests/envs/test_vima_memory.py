"""Tasks that ask for the past (manipulate_old_neighbor, pick_in_order_then_restore): recorded episodes, what
wins, what loses, the expert on seeds nobody trains on.
"""

import math
import pickle

import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.vima import VimaEnv
from envs.vima.experts.pick_and_place import action
from envs.vima.levels import TASK_LEVELS
from tests.envs.requests import request_for
from tests.envs.vima_records import episodes

pytestmark = pytest.mark.usefixtures("rendering")

OLD_NEIGHBOR, IN_ORDER = "manipulate_old_neighbor", "pick_in_order_then_restore"
BOTH = (OLD_NEIGHBOR, IN_ORDER)
STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}


@pytest.fixture(scope="module")
def records(shared):
    return [record for record in episodes(shared) if record["task"] in BOTH]


def begin(task, seed=HELD_OUT, level="placement", **options):
    env = VimaEnv(task, level, **options)
    env.reset(seed=seed)
    return env, env.state()["cast"]


def carry(env, body, to):
    """Pick a body where the expert would and bring its origin to (x, y); pick the table when it is None."""
    if body is None:
        return env.step(action((0.26, 0.49), to))[4]
    seen = env._world.scene.silhouette() == body
    row, column = np.argwhere(seen)[seen.sum() // 2]
    start = 0.25 + (column + 0.5) * 0.003125, -0.5 + (row + 0.5) * 0.003125
    x, y, _ = env._world.position(body)
    return env.step(action(start, (to[0] + start[0] - x, to[1] + start[1] - y)))[4]


def target_of(cast, stop):
    return cast.goals[stop].targets[0].position[:2]


def outcome(info):
    return "success" if info["success"] else "failure" if info["failure"] else None


# recorded episodes


def test_every_pose_and_goal_is_the_recorded_one(records):
    """Nothing is drawn from free cells here, so places are exact; a bowl's goal is the middle you see."""
    assert len(records) == 40
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        objects = env.reset(seed=record["seed"])[1]["objects"]
        theirs = {item["id"]: item for item in record["objects"]}
        assert len(theirs) == len(objects)
        for ours in objects:
            other = theirs[ours.id]
            assert (ours.name, ours.texture) == (other["name"], other["texture"])
            assert np.allclose(ours.position, other["spawn_pos"], atol=2e-5)
            assert np.allclose(ours.quaternion, other["spawn_quat"], atol=2e-5)
        cast = env.state()["cast"]
        assert sorted(cast.distractors) == sorted(record["distractors"])
        bowl = record["task"] == OLD_NEIGHBOR and objects[-1].name == "bowl"
        apart = math.hypot(0.0435, 0.0144) if bowl else 0.0
        for goal, other in zip(cast.goals, record["goals"], strict=True):
            assert list(goal.objects) == other["objs"] and not goal.oracle_only and not goal.yaw_matters
            place = other["targets"][0][0]
            assert math.dist(goal.targets[0].position[:2], place[:2]) == pytest.approx(apart, abs=1e-3)


def test_the_neighbor_is_the_recorded_one(records):
    for record in records:
        if record["task"] != OLD_NEIGHBOR:
            continue
        first, second = (record["extra"][f"sampled_{who}_idx"] for who in ("dragged_obj", "neighbor"))
        env, cast = begin(OLD_NEIGHBOR, record["seed"], record["level"])
        assert STEPS[cast.values["direction"]] == (second[0] - first[0], second[1] - first[1])
        for role, (row, column) in (("dragged", first), ("neighbor", second)):
            place = env._world.position(cast.one(role))[:2]
            assert place == pytest.approx((0.375 + 0.125 * row, -0.25 + 0.25 * column))


def test_recorded_actions_win_from_the_recorded_objects(records):
    for record in records[::4]:
        env = VimaEnv(record["task"], record["level"])
        env.reset(seed=record["seed"], options={"objects": record["objects"]})
        for step in record["steps"]:
            moved = {name: np.array(value, np.float32) for name, value in step["action"].items()}
            info = env.step(moved)[4]
            assert (info["success"], info["failure"]) == (step["success"], step["failure"])


# rules


def test_the_object_and_then_its_neighbor_win():
    env, cast = begin(OLD_NEIGHBOR)
    assert outcome(carry(env, cast.one("dragged"), target_of(cast, 0))) is None
    assert outcome(carry(env, cast.one("neighbor"), target_of(cast, 1))) == "success"


@pytest.mark.parametrize("role", ["neighbor", "distractor"])
def test_another_than_the_object_first_loses(role):
    env, cast = begin(OLD_NEIGHBOR)
    body = cast.distractors[0] if role == "distractor" else cast.one(role)
    assert outcome(carry(env, body, target_of(cast, 0))) == "failure"


def test_a_distractor_instead_of_the_neighbor_loses():
    env, cast = begin(OLD_NEIGHBOR)
    carry(env, cast.one("dragged"), target_of(cast, 0))
    assert outcome(carry(env, cast.distractors[0], target_of(cast, 1))) == "failure"


@pytest.mark.parametrize("task", BOTH)
def test_off_the_mat_loses(task):
    """An object picked on its far side and put at the edge hangs over it with its middle."""
    env, cast = begin(task)
    body = cast.one("dragged")
    cells = np.argwhere(env._world.scene.silhouette() == body)
    row, column = cells[np.argmin(cells[:, 0])]
    start = 0.25 + (column + 0.5) * 0.003125, -0.5 + (row + 1.5) * 0.003125
    info = env.step(action(start, (0.5, 0.5)))[4]
    assert env._world.position(body)[1] > 0.5 and outcome(info) == "failure"


@pytest.mark.parametrize("task", BOTH)
def test_a_missed_pick_changes_nothing(task):
    env, cast = begin(task)
    assert outcome(carry(env, None, target_of(cast, 0))) is None
    assert env.state()["progress"].goals == list(cast.goals)


@pytest.mark.parametrize(
    ("stops", "end"),
    [
        ((0, 1, 2), "success"),
        ((0, 0, 1, 2), "success"),  # dwelling is no loss
        ((0, 1), None),
        ((2, 0, 1, 2), "success"),  # put back where it is: nothing was visited
        ((1,), "failure"),
        ((0, 2), "failure"),
    ],
)
def test_order_of_containers(stops, end):
    env, cast = begin(IN_ORDER)
    for count, stop in enumerate(stops, start=1):
        found = outcome(carry(env, cast.one("dragged"), target_of(cast, stop)))
        assert found == (end if count == len(stops) else None)


def test_a_container_nobody_named_wins_nothing():
    env, cast = begin(IN_ORDER)
    named = {*cast.roles["visited"], cast.one("home")}
    other = next(item for item in env._world.objects() if item.fixed and item.id not in named)
    assert outcome(carry(env, cast.one("dragged"), other.position[:2])) is None
    assert len(env.state()["progress"].goals) == 3


@pytest.mark.parametrize("task", BOTH)
def test_a_state_taken_midway_goes_on_alike(task):
    env, cast = begin(task)
    carry(env, cast.one("dragged"), target_of(cast, 0))
    kept = pickle.loads(pickle.dumps(env.state()))
    other, _ = begin(task, seed=3)
    other.set_state(kept)
    for stop in range(1, len(cast.goals)):
        body = cast.goals[stop].objects[0]
        ours, again = (carry(e, body, target_of(cast, stop)) for e in (env, other))
        assert outcome(ours) == outcome(again)
        assert [o.position for o in ours["objects"]] == [o.position for o in again["objects"]]
    assert outcome(ours) == "success"


# the expert, and the policies' prompt


@pytest.mark.parametrize("task", BOTH)
def test_the_expert_wins_in_time_at_every_level(task):
    for level in TASK_LEVELS[task]:
        for seed in range(HELD_OUT, HELD_OUT + 5):
            env = VimaEnv(task, level, expert=True)
            info = env.reset(seed=seed)[1]
            for _ in range(env.task.oracle_max_steps):
                info = env.step(info["expert_action"])[4]
                if info["success"] or info["failure"]:
                    break
            assert info["success"], (level, seed)


@pytest.mark.parametrize(("task", "images"), [(OLD_NEIGHBOR, 2), (IN_ORDER, 3)])
def test_request_carries_the_pictures(task, images):
    """The base of manipulate_old_neighbor is named twice and shown once."""
    observation, info = VimaEnv(task, "placement").reset(seed=HELD_OUT)
    request = request_for(observation, info)
    assert len(request.image_history) == images
