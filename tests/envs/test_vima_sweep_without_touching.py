"""Sweeping around a line: recorded episodes, births, what solves it, what loses it, the expert."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.errors import EnvError
from envs.poses import yaw_quaternion
from envs.vima import VimaEnv
from envs.vima.experts.pick_and_place import action
from envs.vima.things.recorded import object_from_record
from envs.vima.things.state import ObjectState
from tests.envs.vima_records import episodes, yaw_of

TASK, LEVEL = "sweep_without_touching", "novel_task"
ONE, TWO, ALL = 23, 4, 9
"""Seeds whose prompts ask for so many blocks."""
BLOCK = (0.03, 0.03, 0.03)
FRAME, LINE = (0.172, 0.3, 0.0), (0.1875, 0.04, 0.001)
INTO = (0.37, 0.12)
"""Where a push past the line's end leads, deep in the frame."""


@pytest.fixture(scope="module")
def records(shared):
    return [record for record in episodes(shared, "4") if record["task"] == TASK]


def thing(number, name, x, y, size=BLOCK, texture="red", yaw=0.0):
    fixed = name != "small block"
    return ObjectState(number, name, texture, fixed, size, 1.0, (x, y, size[2] / 2), yaw_quaternion(yaw))


def scene(swept, distractors=()):
    """The frame, the line before its open side, blocks; distractors not told of stand far away."""
    quarter = -math.pi / 2
    far = [(0.70, 0.45 - 0.05 * number) for number in range(len(swept) - len(distractors))]
    return [
        thing(1, "three-sided rectangle", 0.39, 0.0, FRAME, yaw=quarter),
        thing(2, "line", 0.496, 0.0, LINE, yaw=quarter),
        *(thing(3 + number, "small block", *place) for number, place in enumerate(swept)),
        *(
            thing(10 + number, "small block", *place, texture="blue")
            for number, place in enumerate([*distractors, *far])
        ),
    ]


def begin(objects, seed=ONE, **options):
    env = VimaEnv(TASK, LEVEL, **options)
    return env, env.reset(seed=seed, options={"objects": objects})[1]


def outcome(info):
    return "success" if info["success"] else "failure" if info["failure"] else None


def push(env, start, end):
    return outcome(env.step(action(start, end))[4])


# recorded episodes


def test_goals_zone_and_count_are_the_recorded_ones(records):
    assert len(records) == 10
    for record in records:
        env = VimaEnv(TASK, LEVEL)
        info = env.reset(seed=record["seed"])[1]
        cast = env.state()["cast"]
        assert info["oracle_max_steps"] == record["oracle_max_steps"] == 14
        assert cast.values["count"] == record["extra"]["target_num"]
        assert list(cast.roles["swept"]) == record["extra"]["swept_ids"]
        assert list(cast.distractors) == record["extra"]["distractor_ids"]
        for ours, theirs in zip(cast.goals, record["goals"], strict=True):
            (((position, quaternion), size),) = theirs["zones"]
            assert list(ours.objects) == theirs["objs"] and theirs["metric"] == "zone"
            assert ours.zone.pose.position == pytest.approx(position, abs=1e-4)
            assert ours.zone.pose.yaw == pytest.approx(yaw_of(quaternion), abs=1e-4)
            assert ours.zone.size == pytest.approx(size[:2], abs=1e-4)
            assert ours.targets[0].position == pytest.approx(theirs["targets"][0][0], abs=1e-4)
        (position, _), size = record["extra"]["constraint_zone"]
        line = info["objects"][1]
        assert line.position == pytest.approx(position, abs=1e-4)
        assert line.size == pytest.approx(size, abs=1e-4)


def test_every_block_is_where_it_was_recorded(records):
    """No silhouette is involved, so all poses are the seed's; births beyond the mat were drawn again."""
    assert any(record.get("warnings") for record in records)
    for record in records:
        ours = VimaEnv(TASK, LEVEL).reset(seed=record["seed"])[1]["objects"]
        theirs = sorted(map(object_from_record, record["objects"]), key=lambda state: state.id)
        for mine, recorded in zip(ours, theirs, strict=True):
            assert mine.position == pytest.approx(recorded.position, abs=1e-4), record["seed"]
            assert abs(math.remainder(mine.pose.yaw - recorded.pose.yaw, 2 * math.pi)) < 1e-4


def test_recorded_pushes_count_as_they_did(records):
    """Step by step. One episode in ten may part: a plate that grazes two blocks takes them along or not."""
    parted = 0
    for record in records:
        env = VimaEnv(TASK, LEVEL)
        env.reset(seed=record["seed"], options={"objects": record["objects"]})
        for step in record["steps"]:
            info = env.step(step["action"])[4]
            progress = env.state()["progress"]
            found = (progress.achieved, not progress.violated, len(progress.goals))
            recorded = (step["n_achieved"], step["constraint_ok"], step["goals_left"])
            ends = (info["success"], info["failure"]) == (step["success"], step["failure"])
            if found != recorded or not ends:
                parted += 1
                break
    assert parted <= 1


# what the table looks like


def test_births():
    """Blocks are born on the mat in two areas of 18 cm, one kind in each."""
    env = VimaEnv(TASK, LEVEL)
    swapped, counts = set(), set()
    for seed in range(HELD_OUT, HELD_OUT + 200):
        env._world.begin(np.random.default_rng(seed), 1)
        cast = env.task.spawn(env._world)
        where = {body: state.position for body, state in env._world.records.items()}
        swept, distractors = cast.roles["swept"], cast.distractors
        assert len(swept) == len(distractors) and len({env._world.records[b].texture for b in swept}) == 1
        assert env._world.records[swept[0]].texture != env._world.records[distractors[0]].texture
        for left, right in ((swept, distractors), (distractors, swept)):
            if where[left[0]][1] < 0:
                swapped.add(left is swept)
                assert all(0.57 <= where[b][0] <= 0.75 and -0.22 <= where[b][1] <= -0.04 for b in left)
                assert all(0.58 <= where[b][0] <= 0.75 and 0.03 <= where[b][1] <= 0.21 for b in right)
        counts.add((len(swept), cast.values["determiner"], cast.values["count"]))
    assert swapped == {True, False}
    numbers = ("one", "two", "three")
    assert counts == {
        (number, *asked)
        for number in (1, 2, 3)
        for asked in [("any", 1), ("all", number), *[(numbers[n], n + 1) for n in range(number)]]
    }


def test_prompt_and_pictures(rendering):
    info = VimaEnv(TASK, LEVEL).reset(seed=ONE)[1]
    assert info["prompt"] == "Sweep one {swept_obj} into {bounds} without touching {constraint}."
    assert set(info["prompt_assets"]) == {"swept_obj", "bounds", "constraint"}
    for name, number in (("bounds", 0), ("constraint", 1), ("swept_obj", 2)):
        shown, state = info["prompt_assets"][name]["segm"]["obj_info"], info["objects"][number]
        assert (shown["obj_name"], shown["obj_color"]) == (state.name, state.texture)
    seen = np.argwhere(info["prompt_assets"]["swept_obj"]["segm"]["top"] == 0)
    assert np.ptp(seen, axis=0) == pytest.approx(7 * 0.03 * 250.98, abs=2)  # seven times enlarged


# rules


def test_past_the_line_and_in():
    env, info = begin(scene([(0.62, 0.12), (0.7, -0.2)]))
    assert info["prompt"].startswith("Sweep one ")
    assert push(env, (0.62, 0.12), INTO) == "success"


def test_around_the_line_in_three_pushes():
    env, _ = begin(scene([(0.62, 0.0), (0.7, -0.2)]))
    x, y = 0.62, 0.0
    for end, result in (((0.62, 0.23), None), ((0.36, 0.2), None), ((0.39, 0.0), "success")):
        assert push(env, (x, y), end) == result
        x, y, _ = env._world.objects()[2].position


@pytest.mark.parametrize("end", [(0.46, 0.0), (0.36, 0.0)])
def test_over_the_line(end):
    """Onto it, and across it to where the block would count."""
    env, _ = begin(scene([(0.62, 0.0), (0.7, -0.2)]))
    assert push(env, (0.62, 0.0), end) == "failure"


def test_a_distractor_may_cross_the_line_but_not_come_in():
    env, _ = begin(scene([(0.7, -0.2), (0.7, -0.3)], distractors=[(0.62, 0.0)]))
    assert push(env, (0.62, 0.0), (0.4635, 0.0)) is None
    x, y, _ = env._world.objects()[4].position
    assert abs(x - 0.496) < 0.02, "it should lie on the line"
    assert push(env, (x, y), (0.38, 0.0)) == "failure"


@pytest.mark.parametrize(("seed", "result"), [(ONE, "failure"), (TWO, "success")])
def test_the_exact_count(seed, result):
    """One push brings two."""
    env, _ = begin(scene([(0.62, 0.12), (0.655, 0.12), (0.7, -0.2)]), seed)
    assert push(env, (0.655, 0.12), INTO) == result


def test_all_is_more_than_one():
    env, _ = begin(scene([(0.62, 0.12), (0.62, -0.12)]), ALL)
    assert push(env, (0.62, 0.12), INTO) is None
    assert push(env, (0.62, -0.12), (INTO[0], -INTO[1])) == "success"


def test_half_inside_does_not_count():
    env, _ = begin(scene([(0.62, 0.12), (0.7, -0.2)]))
    assert push(env, (0.62, 0.12), (0.4435, 0.12)) is None
    x, y, _ = env._world.objects()[2].position
    assert x - 0.015 < 0.476 < x + 0.015, "it should lie astride the open side"
    assert push(env, (x, y), INTO) == "success"


def test_off_the_table():
    """Upstream draws births on the mat only; whoever leaves a block beyond it loses."""
    env, _ = begin(scene([(0.62, 0.12), (0.757, -0.2)]))
    assert push(env, (0.62, 0.12), INTO) == "failure"


def test_nothing_comes_of_nothing():
    env, info = begin(scene([(0.62, 0.12), (0.7, -0.2)]))
    for number in range(info["max_steps"]):
        _, reward, terminated, truncated, info = env.step(action((0.3, 0.45), (0.3, 0.4)))
        assert outcome(info) is None and not reward and not terminated
        assert truncated == (number == info["max_steps"] - 1)


def test_recorded_scenes_that_do_not_fit():
    objects = scene([(0.62, 0.12)])
    with pytest.raises(EnvError, match="a recorded scene of sweep_without_touching is"):
        begin(objects[:-1])


# states, expert


def play(env, info):
    """Let the expert finish the episode; returns the steps taken and the last info."""
    steps = 0
    while "expert_action" in info and steps < info["oracle_max_steps"]:
        info, steps = env.step(info["expert_action"])[4], steps + 1
    return steps, info


def test_a_state_continues_identically():
    env, other = (VimaEnv(TASK, LEVEL, expert=True) for _ in range(2))
    info = env.reset(seed=ALL)[1]
    for _ in range(3):
        info = env.step(info["expert_action"])[4]
    assert outcome(info) is None and 0 < env.state()["progress"].achieved < 3
    back = other.set_state(pickle.loads(pickle.dumps(env.state())))[1]
    while "expert_action" in info:
        for key, value in info["expert_action"].items():
            np.testing.assert_array_equal(value, back["expert_action"][key])
        info, back = env.step(info["expert_action"])[4], other.step(back["expert_action"])[4]
        assert info["objects"] == back["objects"] and outcome(info) == outcome(back)
    assert outcome(info) == "success"


@pytest.mark.parametrize("style", ["upstream", "canonical"])
def test_expert_solves_held_out_seeds(style):
    """The 200 seeds are counted under `make proof`; the last one here is lost unless pushes are rehearsed."""
    env = VimaEnv(TASK, LEVEL, expert=True, expert_style=style)
    for seed in (*range(HELD_OUT, HELD_OUT + 5), HELD_OUT + 257):
        _, info = play(env, env.reset(seed=seed)[1])
        assert outcome(info) == "success", f"seed {seed}"


@pytest.mark.parametrize(
    ("swept", "distractors", "seed"),
    [
        ([(0.62, 0.0), (0.62, 0.031)], [], ONE),  # one wanted, two stand side by side
        ([(0.62, 0.0)], [(0.62, 0.032)], ONE),  # a distractor stands in the way out
        ([(0.62, 0.12), (0.62, -0.12), (0.74, 0.0)], [], ALL),  # one near the far edge
        ([(0.535, 0.0)], [], ONE),  # right before the line
    ],
)
def test_expert_in_tight_places(swept, distractors, seed):
    env, info = begin(scene(swept, distractors), seed, expert=True)
    assert outcome(play(env, info)[1]) == "success"


@pytest.mark.parametrize("task", ["sweep_without_exceeding", "sweep_without_touching"])
def test_of_a_recorded_scene_that_is_lost_the_expert_knows_nothing(task):
    """A distractor lies in the frame from the start: no push is tried."""
    env = VimaEnv(task, expert=True)
    _, info = env.reset(seed=3)
    assert info["expert_action"] is not None
    frame, *_, distractor = info["objects"]
    inside = dataclasses.replace(distractor, position=(*frame.position[:2], distractor.position[2]))
    _, info = env.reset(seed=3, options={"objects": [*info["objects"][:-1], inside]})
    assert info["expert_action"] is None
