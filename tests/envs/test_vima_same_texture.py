"""All of one texture, or of one profile, into the base: recorded episodes, what solves it, what loses it."""

import math
import pickle

import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.errors import EnvError
from envs.poses import yaw_quaternion
from envs.vima import VimaEnv
from envs.vima.experts.pick_and_place import action
from envs.vima.table.spawning import in_workspace, too_close
from envs.vima.tasks import same_texture
from envs.vima.tasks.goals import near_any
from envs.vima.things.recorded import object_from_record
from envs.vima.things.state import ObjectState
from tests.envs.vima_records import BOWL_CENTRE, episodes, picture_errors, yaw_of

BOTH = ("same_texture", "same_shape")
WHERE = [
    ("same_texture", "novel_task"),
    ("same_shape", "placement"),
    ("same_shape", "combinatorial"),
    ("same_shape", "novel_object"),
]
SIZE = (0.128, 0.128, 0.032)
ROUND, SQUARE = {"ring", "round"}, {"shorter block"}


@pytest.fixture(scope="module")
def records(shared):
    return [record for record in episodes(shared) if record["task"] in BOTH]


def thing(number, name, x, y, texture, size=SIZE, fixed=False):
    return ObjectState(number, name, texture, fixed, size, 1.0, (x, y, 0.0), yaw_quaternion(0.0))


def scene(task, base="frame", distractor=(0.35, 0.3)):
    """Two that belong to the right, the base to the left."""
    one = "cross" if task == "same_texture" else "ring" if base == "bowl" else "shorter block"
    other = "heart" if task == "same_texture" else one
    return [
        thing(1, base, 0.5, -0.25, "olive", (0.2, 0.2, 0.0), fixed=True),
        thing(2, one, 0.35, 0.05, "olive"),
        thing(3, other, 0.65, 0.05, "olive"),
        thing(4, "star", *distractor, "red"),
    ]


def begin(task, objects, **options):
    env = VimaEnv(task, **options)
    return env, env.reset(seed=1, options={"objects": objects})[1]


def put(env, number, to, turn=0.0):
    """Pick the object at its middle (a ring on its rim) and put the middle to (x, y)."""
    state = env._world.objects()[number]
    x, y, _ = state.position
    rim = 0.035 if state.name == "ring" else 0.0
    return outcome(env.step(action((x + rim, y), (to[0] + rim, to[1]), end_rotation=yaw_quaternion(turn)))[4])


def outcome(info):
    return "success" if info["success"] else "failure" if info["failure"] else None


# recorded episodes


def test_goals_and_tolerances_are_the_recorded_ones(records):
    """A bowl's goal is where its middle is seen, not its origin; all else is as recorded."""
    assert len(records) == 30 and {record["pos_eps"] for record in records} == {0.125, 0.0875}
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        env.reset(seed=record["seed"], options={"objects": record["objects"]})
        cast = env.state()["cast"]
        assert list(cast.distractors) == record["distractors"]
        assert env.task.tolerance(env._world) == record["pos_eps"]
        assert env.task.oracle_max_steps == record["oracle_max_steps"]
        for ours, theirs in zip(cast.goals, record["goals"], strict=True):
            (target,), ((position, quaternion),) = ours.targets, theirs["targets"]
            if record["objects"][0]["name"] == "bowl":
                turn, (dx, dy) = yaw_of(quaternion), BOWL_CENTRE
                position[0] += math.cos(turn) * dx - math.sin(turn) * dy
                position[1] += math.sin(turn) * dx + math.cos(turn) * dy
            assert list(ours.objects) == theirs["objs"] and ours.oracle_only == theirs["oracle_only"]
            assert theirs["metric"] == "pose" and ours.zone is None and not ours.yaw_matters
            assert math.dist(target.position, position) < 1e-3
            assert abs(math.remainder(target.yaw - yaw_of(quaternion), 2 * math.pi)) < 1e-3


def test_recorded_actions_reach_goals_in_the_recorded_steps(records):
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        env.reset(seed=record["seed"], options={"objects": record["objects"]})
        for step in record["steps"]:
            info = env.step(step["action"])[4]
            assert len(env.state()["progress"].goals) == step["goals_left"], record["seed"]
            assert (info["success"], info["failure"]) == (step["success"], step["failure"])


def test_a_rejected_pose_costs_shape_size_and_pose(records, monkeypatch):
    """One recorded episode rejected the first object's pose. Which pose that was hangs on the pan's outline,
    so the rejection is forced here; all that is drawn afterwards is then as recorded.
    """
    (record,) = (record for record in records if record.get("warnings"))
    answers = iter([True])
    monkeypatch.setattr(same_texture, "too_close", lambda *_: next(answers, False))
    ours = VimaEnv(record["task"], record["level"]).reset(seed=record["seed"])[1]["objects"]
    theirs = sorted(map(object_from_record, record["objects"]), key=lambda state: state.id)
    for mine, recorded in zip(ours, theirs, strict=True):
        assert (mine.name, mine.texture) == (recorded.name, recorded.texture)
        assert abs(math.remainder(mine.pose.yaw - recorded.pose.yaw, 2 * math.pi)) < 1e-4


def test_the_picture_shows_the_base_as_it_is(records, rendering):
    for record in records[::3]:
        base = record["objects"][0]
        env = VimaEnv(record["task"], record["level"])
        assets = env.reset(seed=record["seed"], options={"objects": record["objects"]})[1]["prompt_assets"]
        shown = assets["base_obj"]["segm"]["obj_info"]
        assert (shown["obj_name"], shown["obj_color"]) == (base["name"], base["texture"])
        for box, area in picture_errors(assets, record):
            assert box <= 3 and abs(area) < 0.15


# what the table looks like


@pytest.mark.parametrize(("task", "level"), WHERE)
def test_who_is_there(task, level):
    """Two belong, one does not, and nothing starts in or against the base."""
    env = VimaEnv(task, level)
    for seed in range(HELD_OUT, HELD_OUT + 60):
        env._world.begin(np.random.default_rng(seed), 0)
        cast = env.task.spawn(env._world)
        base, *others = env._world.records.values()
        belonging, (distractor,) = others[:-1], others[-1:]
        assert [state.id for state in belonging] == list(cast.roles["dragged"])
        assert (distractor.id,) == cast.distractors and len(belonging) == 2
        if task == "same_texture":
            assert {state.texture for state in (base, *belonging)} == {base.texture} != {distractor.texture}
        else:
            fitting = ROUND if base.name in ("bowl", "pan") else SQUARE
            assert {state.name for state in belonging} <= fitting and distractor.name not in fitting
            assert distractor.texture not in {state.texture for state in belonging}
        for state in others:
            assert not state.fixed and in_workspace(state.position)
            assert not too_close(state.position, state.size, base.position, base.size)


def test_the_prompts():
    for task, quality in (("same_texture", "texture"), ("same_shape", "profile")):
        info = VimaEnv(task).reset(seed=3)[1]
        assert info["prompt"] == f"Put all objects with the same {quality} as {{base_obj}} into it."
        assert list(info["prompt_assets"]) == ["base_obj"]


# rules


@pytest.mark.parametrize("task", BOTH)
class TestRules:
    @pytest.mark.parametrize("order", [(1, 2), (2, 1)])
    @pytest.mark.parametrize("base", ["frame", "pallet"])
    def test_either_order_stacked_on_one_place(self, task, order, base):
        env, _ = begin(task, scene(task, base))
        assert put(env, order[0], (0.5, -0.25)) is None
        assert put(env, order[1], (0.5, -0.25), turn=1.0) == "success"
        first, second = (env._world.objects()[number].position for number in order)
        assert second[2] - first[2] > 0.02

    def test_the_distractor_inside(self, task):
        env, _ = begin(task, scene(task))
        assert put(env, 3, (0.5, -0.25)) == "failure"

    def test_beside_the_distractor(self, task):
        env, _ = begin(task, scene(task))
        assert put(env, 1, (0.35, 0.19)) == "failure"

    @pytest.mark.parametrize(("base", "way"), [("frame", 0.125), ("bowl", 0.0875)])
    def test_how_near_is_inside(self, task, base, way):
        """Measured from the middle one sees; the bowl is put so that this is where others have theirs."""
        for error, reached in ((-0.01, 1), (0.01, 0)):
            objects = scene(task, base)
            if base == "bowl":
                x, y, z = objects[0].position
                moved = (x - BOWL_CENTRE[0], y - BOWL_CENTRE[1], z)
                objects[0] = ObjectState(1, base, "olive", True, objects[0].size, 1.0, moved, (0, 0, 0, 1))
            env, _ = begin(task, objects)
            assert put(env, 1, (0.5, -0.25 + way + error)) is None
            assert env.state()["progress"].achieved == reached

    def test_the_tolerance_is_the_episodes_own(self, task):
        """Upstream's stays small once there was a bowl."""
        env, _ = begin(task, scene(task, "bowl"))
        assert env.task.tolerance(env._world) == 0.0875
        env.reset(seed=1, options={"objects": scene(task)})
        assert env.task.tolerance(env._world) == 0.125

    def test_out_of_the_workspace(self, task):
        env, _ = begin(task, scene(task))
        x, y, _ = env._world.objects()[1].position
        info = env.step(action((x, y + 0.03), (0.3, -0.5), end_rotation=(0, 0, 0, 1)))[4]
        assert not in_workspace(info["objects"][1].position) and outcome(info) == "failure"

    def test_nothing_comes_of_nothing(self, task):
        env, info = begin(task, scene(task))
        for _ in range(info["max_steps"]):
            assert outcome(env.step(action((0.74, 0.49), (0.74, 0.49)))[4]) is None

    def test_recorded_scene_that_does_not_fit(self, task):
        with pytest.raises(EnvError, match=f"scene of {task} has 4 objects"):
            begin(task, scene(task)[1:])


# states, expert


@pytest.mark.parametrize("task", BOTH)
def test_a_state_continues_identically(task):
    env, other = (VimaEnv(task, expert=True) for _ in range(2))
    info = env.reset(seed=5)[1]
    info = env.step(info["expert_action"])[4]
    assert outcome(info) is None and env.state()["progress"].achieved == 1
    back = other.set_state(pickle.loads(pickle.dumps(env.state())))[1]
    for key, value in info["expert_action"].items():
        np.testing.assert_array_equal(value, back["expert_action"][key])
    info, back = env.step(info["expert_action"])[4], other.step(back["expert_action"])[4]
    assert info["objects"] == back["objects"] and outcome(info) == outcome(back) == "success"


@pytest.mark.parametrize("style", ["upstream", "canonical"])
@pytest.mark.parametrize(("task", "level"), WHERE)
def test_expert_solves_held_out_seeds(task, level, style):
    """One motion each; the 200 seeds are counted under `make proof`. Of the last three, 38 (same_shape), 47
    and 265 (same_texture) are lost in upstream's order.
    """
    env = VimaEnv(task, level, expert=True, expert_style=style)
    for seed in (*range(HELD_OUT, HELD_OUT + 4), HELD_OUT + 38, HELD_OUT + 47, HELD_OUT + 265):
        info = env.reset(seed=seed)[1]
        for _ in range(2):
            assert outcome(info) is None
            info = env.step(info["expert_action"])[4]
        assert outcome(info) == "success", f"seed {seed}"


def test_one_that_belongs_beside_the_distractor():
    """As upstream, the step that leaves it there loses; our expert moves it first."""
    objects = scene("same_texture", distractor=(0.35, 0.16))
    assert near_any(objects[1].position, [objects[3].position], 0.125)
    for first, expected in ((2, "failure"), (1, None)):
        env, _ = begin("same_texture", objects)
        assert put(env, first, (0.5, -0.25)) == expected
    objects[1], objects[2] = thing(2, "cross", 0.65, 0.05, "olive"), thing(3, "heart", 0.35, 0.05, "olive")
    env, info = begin("same_texture", objects, expert=True)
    while "expert_action" in info:
        info = env.step(info["expert_action"])[4]
    assert outcome(info) == "success"
