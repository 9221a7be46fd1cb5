"""Rearranging to a picture, and back: recorded episodes, what solves it, what loses it, the expert."""

import math
import pickle

import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.errors import EnvError
from envs.poses import Pose, yaw_of, yaw_quaternion
from envs.vima import VimaEnv
from envs.vima.experts.pick_and_place import action
from envs.vima.levels import level_name
from envs.vima.table.spawning import in_workspace, too_close
from envs.vima.things.recorded import object_from_record
from envs.vima.things.state import ObjectState
from envs.vima.things.textures import TEXTURES
from tests import vima_seeds
from tests.envs.vima_records import episodes

BOTH = ("rearrange", "rearrange_then_restore")
LONE, PAIR = 3, 1
"""Seeds of one object with a distractor on its target, and of two objects."""
SIZE = (0.144, 0.144, 0.036)


@pytest.fixture(scope="module")
def records(shared):
    return [record for record in episodes(shared, "123") if record["task"] in BOTH]


def thing(number, name, at, target=None, texture="red"):
    target = target and Pose((*target, 0.018))
    return ObjectState(number, name, texture, False, SIZE, 1.0, (*at, 0.0), yaw_quaternion(0.0), target)


def lone(distractor=(0.5, -0.2)):
    """One object from the right to the left, where its distractor stands unless told otherwise."""
    return [thing(1, "cross", (0.5, 0.3), (0.5, -0.2)), thing(2, "heart", distractor, texture="blue")]


def pair():
    """Two objects on the right that go straight over to the left."""
    return [thing(1, "cross", (0.35, 0.3), (0.35, -0.3)), thing(2, "heart", (0.62, 0.3), (0.62, -0.3))]


def begin(task, objects, **options):
    env = VimaEnv(task, "placement", expert=True, **options)
    info = env.reset(seed=LONE if objects[1].target is None else PAIR, options={"objects": objects})[1]
    return env, info


def put(env, number, to):
    """Pick the object at its middle and put the middle to (x, y)."""
    state = env._world.objects()[number]
    return env.step(action(state.position[:2], to))[4]


def outcome(info):
    return "success" if info["success"] else "failure" if info["failure"] else None


# recorded episodes


def test_goals_are_the_recorded_ones(records):
    """On the recorded objects: order, bodies, targets, and which ones are the expert's."""
    assert len({(record["task"], record["level"], record["seed"]) for record in records}) > 10
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        info = env.reset(seed=record["seed"], options={"objects": record["objects"]})[1]
        goals = env.state()["cast"].goals
        assert list(env.state()["cast"].distractors) == record["distractors"]
        if vima_seeds.compare(record, VimaEnv(record["task"], record["level"])).yaws == 0:
            continue  # drawn once more or less: the order of the way back is drawn after it
        assert [(list(goal.objects), goal.oracle_only) for goal in goals] == [
            (goal["objs"], goal["oracle_only"]) for goal in record["goals"]
        ]
        on_table = {state.id: state.position for state in info["objects"]}
        for ours, theirs in zip(goals, record["goals"], strict=True):
            (target,), ((position, quaternion),) = ours.targets, theirs["targets"]
            assert theirs["metric"] == "pose" and ours.zone is None and not ours.yaw_matters
            if ours.oracle_only and math.dist(on_table[ours.objects[0]][:2], position[:2]) > 0.1:
                continue  # where a distractor goes is drawn, not recorded among the objects
            assert math.dist(target.position, position) < 1e-3
            assert abs(math.remainder(target.yaw - yaw_of(quaternion), 2 * math.pi)) < 1e-3


def test_drawn_targets_are_the_recorded_ones(records):
    """From the seed alone: a target is another's cell or its neighbour; yaws are exact."""
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        ours = env.reset(seed=record["seed"])[1]["objects"]
        theirs = map(object_from_record, sorted(record["objects"], key=lambda state: state["id"]))
        for mine, recorded in zip(ours, theirs, strict=True):
            assert (mine.target is None) == (recorded.target is None)
            if mine.target:
                assert math.dist(mine.target.position, recorded.target.position) < 0.01
                assert abs(math.remainder(mine.target.yaw - recorded.target.yaw, 2 * math.pi)) < 1e-4


def test_recorded_actions_solve_it_step_by_step(records):
    """Under the oracle's rules goals fall in the recorded steps; under an agent's the end is the same."""
    for record in records:
        for rules in (True, False):
            env = VimaEnv(record["task"], record["level"], oracle_rules=rules)
            env.reset(seed=record["seed"], options={"objects": record["objects"]})
            for step in record["steps"]:
                info = env.step(step["action"])[4]
                if rules:
                    assert len(env.state()["progress"].goals) == step["goals_left"], record["seed"]
                    assert (info["success"], info["failure"]) == (step["success"], step["failure"])
            assert info["success"], (record["task"], level_name(record["level"]), record["seed"])


# what the table looks like


def test_spawned_scenes_can_be_solved():
    """Starts, distractors and the expert's free places are clear of every target by nominal size; a
    distractor is on a target every other time, wears any texture, and is of another shape.
    """
    conflicts, lonely, textures = 0, 0, set()
    env = VimaEnv("rearrange", "placement")
    for seed in range(HELD_OUT, HELD_OUT + 150):
        env._world.begin(np.random.default_rng(seed), 0)
        cast = env.task.spawn(env._world)
        records = env._world.records
        dragged = [records[body] for body in cast.roles["dragged"]]
        assert len(cast.distractors) == (len(dragged) == 1)
        free = [(record.position, record.size) for record in dragged]
        for body, escape in zip(cast.distractors, cast.values["escapes"], strict=True):
            record = records[body]
            lonely, conflicts = lonely + 1, conflicts + (escape is not None)
            textures.add(record.texture)
            assert record.name != dragged[0].name
            assert (record.position == dragged[0].target.position) == (escape is not None)
            free.append((escape.position if escape else record.position, record.size))
        for place in free:
            assert not any(too_close(*place, other.target.position, other.size) for other in dragged)
    assert 0.3 < lonely / 150 < 0.5 and 0.3 < conflicts / lonely < 0.7
    assert textures <= set(TEXTURES) and textures - set(env.task.pools.dragged_textures)


@pytest.mark.parametrize("task", BOTH)
def test_picture_shows_objects_at_their_targets_and_no_distractor(task, rendering):
    _, info = begin(task, lone(distractor=(0.3, 0.0)))
    assert info["prompt"].count("{scene}") == 1 and list(info["prompt_assets"]) == ["scene"]
    segmentation = info["prompt_assets"]["scene"]["segm"]["top"]
    assert set(np.unique(segmentation)) == {0, 1, 2}  # plane, mat, the object
    row, column = np.argwhere(segmentation == 2).mean(axis=0)
    assert abs(row - 63) < 1 and abs(column - (128 - 0.2 * 250.98)) < 1


# rearranging


class TestRearrange:
    def test_either_order(self):
        for order in ((0, 1), (1, 0)):
            env, _ = begin("rearrange", pair())
            assert outcome(put(env, order[0], pair()[order[0]].target.position[:2])) is None
            assert outcome(put(env, order[1], pair()[order[1]].target.position[:2])) == "success"

    def test_swapped(self):
        env, _ = begin("rearrange", pair())
        put(env, 0, (0.62, -0.3))
        assert outcome(put(env, 1, (0.35, -0.3))) is None

    def test_yaw_is_free_and_position_is_not(self):
        env, _ = begin("rearrange", lone(distractor=(0.3, 0.0)))
        state = env._world.objects()[0]
        info = env.step(action(state.position[:2], (0.5, -0.09), end_rotation=yaw_quaternion(2.0)))[4]
        assert outcome(info) is None
        assert outcome(put(env, 0, (0.5, -0.11))) == "success"

    def test_distractor_first(self):
        env, _ = begin("rearrange", lone())
        assert outcome(put(env, 1, (0.35, 0.0))) is None
        assert outcome(put(env, 0, (0.5, -0.2))) == "success"

    def test_onto_the_distractor(self):
        env, _ = begin("rearrange", lone())
        assert outcome(put(env, 0, (0.5, -0.2))) == "failure"

    def test_distractor_beside_the_target_loses_at_the_end_only(self):
        env, _ = begin("rearrange", lone(distractor=(0.3, 0.0)))
        assert outcome(put(env, 1, (0.5, -0.11))) is None
        assert outcome(put(env, 0, (0.5, -0.23))) == "failure"

    @pytest.mark.parametrize("task", BOTH)
    def test_out_of_the_workspace(self, task):
        env, _ = begin(task, lone(distractor=(0.3, 0.0)))
        info = env.step(action((0.5, 0.26), (0.5, 0.49)))[4]
        assert not in_workspace(info["objects"][0].position) and outcome(info) == "failure"

    @pytest.mark.parametrize("task", BOTH)
    @pytest.mark.parametrize("scene", [lone, pair])
    def test_nothing_comes_of_nothing(self, task, scene):
        env, info = begin(task, scene())
        for _ in range(info["max_steps"]):
            assert outcome(env.step(action((0.74, -0.49), (0.74, -0.49)))[4]) is None

    def test_expert_rules_ask_for_the_free_place(self):
        """Where a distractor goes is the expert's business: an agent may put it anywhere."""
        for rules, expected in ((False, "success"), (True, None)):
            env, _ = begin("rearrange", lone(), oracle_rules=rules)
            (free,) = env.state()["cast"].values["escapes"]
            side = (0.35, -0.45) if math.dist(free.position[:2], (0.35, -0.45)) > 0.15 else (0.35, 0.1)
            put(env, 1, side)
            assert outcome(put(env, 0, (0.5, -0.2))) == expected


class TestRestore:
    def there(self, env, scene):
        for number, state in enumerate(scene):
            if state.target:
                info = put(env, number, state.target.position[:2])
        return info

    def test_there_and_back_in_any_order(self):
        for order in ((0, 1), (1, 0)):
            env, _ = begin("rearrange_then_restore", pair())
            assert outcome(self.there(env, pair())) is None
            assert outcome(put(env, order[0], pair()[order[0]].position[:2])) is None
            assert outcome(put(env, order[1], pair()[order[1]].position[:2])) == "success"

    def test_back_before_all_were_there(self):
        """One returns while the other has not gone yet: that return counts once the other has gone."""
        env, _ = begin("rearrange_then_restore", pair())
        put(env, 0, (0.35, -0.3))
        put(env, 0, (0.35, 0.3))
        assert env.state()["progress"].achieved == 1
        assert outcome(put(env, 1, (0.62, -0.3))) is None
        assert env.state()["progress"].achieved == 2
        assert outcome(put(env, 1, (0.62, 0.3))) == "success"

    def test_back_without_having_been_there(self):
        env, _ = begin("rearrange_then_restore", lone(distractor=(0.3, 0.0)))
        put(env, 0, (0.6, 0.05))
        assert outcome(put(env, 0, (0.5, 0.3))) is None

    def test_one_motion_is_not_both(self):
        near = [thing(1, "cross", (0.5, 0.3), (0.5, 0.14)), thing(2, "heart", (0.3, -0.3), texture="blue")]
        env, _ = begin("rearrange_then_restore", near)
        assert outcome(put(env, 0, (0.5, 0.22))) is None
        assert env.state()["progress"].achieved == 1

    def test_distractor_may_stay_away(self):
        for rules in (False, True):
            env, _ = begin("rearrange_then_restore", lone(), oracle_rules=rules)
            put(env, 1, (0.3, 0.0))
            put(env, 0, (0.5, -0.2))
            assert outcome(put(env, 0, (0.5, 0.3))) == "success"

    def test_there_by_stacking_on_the_distractor(self):
        env, _ = begin("rearrange_then_restore", lone())
        assert outcome(put(env, 0, (0.5, -0.2))) is None
        assert outcome(put(env, 0, (0.5, 0.3))) == "failure"

    def test_object_returned_beside_the_distractor(self):
        env, _ = begin("rearrange_then_restore", lone())
        put(env, 1, (0.5, 0.2))
        put(env, 0, (0.5, -0.2))
        assert outcome(put(env, 0, (0.5, 0.28))) == "failure"


# recorded scenes, states, expert


@pytest.mark.parametrize("task", BOTH)
def test_targets_come_with_the_objects_or_from_the_seed(task):
    env = VimaEnv(task, "placement")
    drawn = env.reset(seed=PAIR)[1]["objects"]
    goals = env.state()["cast"].goals
    env.reset(seed=PAIR + 1)
    assert env.reset(seed=PAIR, options={"objects": drawn})[1]["objects"] == drawn
    assert env.state()["cast"].goals == goals
    bare = [{"name": s.name, "texture": s.texture, "fixed": s.fixed, "size": s.size, "id": s.id,
             "position": s.position, "quaternion": s.quaternion} for s in drawn]  # fmt: skip
    env.reset(seed=PAIR, options={"objects": bare})
    assert env.state()["cast"].goals == goals
    with pytest.raises(EnvError, match=f"scene of {task} has 2 objects"):
        env.reset(seed=PAIR, options={"objects": drawn[:1]})


@pytest.mark.parametrize("task", BOTH)
@pytest.mark.parametrize("rules", [False, True])
def test_a_state_continues_identically(task, rules):
    env, other = (VimaEnv(task, "placement", expert=True, oracle_rules=rules) for _ in range(2))
    for seed in (PAIR, LONE):
        info = env.reset(seed=seed)[1]
        env.step(info["expert_action"])
        other.reset(seed=seed + 7)
        info = env.set_state(env.state())[1]
        other_info = other.set_state(pickle.loads(pickle.dumps(env.state())))[1]
        while not info["success"]:
            for key, value in info["expert_action"].items():
                np.testing.assert_array_equal(value, other_info["expert_action"][key])
            info, other_info = env.step(info["expert_action"])[4], other.step(other_info["expert_action"])[4]
            assert info["objects"] == other_info["objects"] and info["success"] == other_info["success"]


@pytest.mark.parametrize("task", BOTH)
@pytest.mark.parametrize("options", [{}, {"oracle_rules": True, "expert_style": "canonical"}])
@pytest.mark.parametrize("level", ["placement", "combinatorial", "novel_object"])
def test_expert_solves_held_out_seeds(task, level, options):
    """With one motion for each thing there is to move; the 200 seeds are counted under `make proof`."""
    env = VimaEnv(task, level, expert=True, **options)
    for seed in range(HELD_OUT, HELD_OUT + 6):
        info, steps = env.reset(seed=seed)[1], 0
        goals = env.state()["cast"].goals
        ways = 2 if task == "rearrange_then_restore" else 1
        moves = sum(not goal.oracle_only for goal in goals) + sum(goal.oracle_only for goal in goals) // ways
        while "expert_action" in info:
            info, steps = env.step(info["expert_action"])[4], steps + 1
            assert steps <= info["oracle_max_steps"]
        assert info["success"] and steps == moves, f"seed {seed}"


@pytest.mark.parametrize("task", ["rearrange", "rearrange_then_restore", "twist"])
def test_the_canonical_expert_takes_what_is_nearest_the_arm_first(task):
    """Of the things that it moves without an order, there and back; what is in the way goes before."""
    found = 0
    for seed in range(8):
        env = VimaEnv(task, "train", expert=True, expert_style="canonical", difficulty="hard")
        _, info = env.reset(seed=seed)
        asked = {thing.id for thing in info["objects"]} - set(env._cast.distractors)
        picked, lifted, ended = [], [], False
        while not ended:
            places = {thing.id: thing.position[:2] for thing in info["objects"] if thing.id in asked}
            action = info["expert_action"]
            if action is None:
                break
            start = action["pose0_position"]
            body = min(places, key=lambda each: math.dist(places[each], start))
            if math.dist(places[body], start) < 0.05:
                picked.append(body)
                lifted.append(tuple(places[body]))
            _, _, terminated, truncated, info = env.step(action)
            ended = terminated or truncated
        assert info["success"]
        half = len(lifted) // 2 if task == "rearrange_then_restore" else len(lifted)
        for way in (lifted[:half], lifted[half:]):
            assert way == sorted(way)
            found += len(way) > 1
        env.close()
    assert found >= 5
