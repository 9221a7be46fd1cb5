"""The three tasks of invented words: recorded episodes, what the words mean, what loses."""

import math
import pickle
import re

import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.poses import yaw_quaternion
from envs.vima import VimaEnv
from envs.vima.experts.pick_and_place import action
from envs.vima.table.spawning import in_workspace
from envs.vima.things.objects import OBJECTS
from envs.vima.things.state import ObjectState
from tests.envs.requests import request_for
from tests.envs.vima_records import episodes, picture_errors
from tests.vima_replay import replay

pytestmark = pytest.mark.usefixtures("rendering")

LEVELS = {"novel_adj": "placement", "novel_noun": "placement", "novel_adj_and_noun": "novel_task"}
WITH_ADJECTIVE = ("novel_adj", "novel_adj_and_noun")
NOUNS = {"dax", "blicket", "wug", "zup"}


@pytest.fixture(scope="module")
def records(shared):
    return [record for record in episodes(shared) if record["task"] in LEVELS]


def thing(number, name, x, y, texture="red", height=1.0):
    kind = OBJECTS[name]
    size = (*kind.size_high[:2], kind.size_high[2] * height)
    z = size[2] / 2 if kind.base else 0.0
    scale = (1.0, 1.0, height)
    return ObjectState(number, name, texture, kind.base, size, scale, (x, y, z), yaw_quaternion(0.4))


def scene(task):
    """A base, the object that is asked for, and distractors; positions of the middles are on material."""
    distractor = thing(3, "cross", 0.35, 0.35, height=2.35 if task in WITH_ADJECTIVE else 1.0)
    objects = [
        thing(1, "container", 0.5, -0.2, "tiles"),
        thing(2, "cross", 0.55, 0.25, height=0.35 if task in WITH_ADJECTIVE else 1.0),
        distractor,
    ]
    if task == "novel_adj_and_noun":
        objects += [thing(4, "hexagon", 0.65, 0.1, "blue"), thing(5, "star", 0.35, 0.1, "green")]
    return objects


def begin(task, **options):
    env = VimaEnv(task, LEVELS[task], **options)
    return env, env.reset(seed=1, options={"objects": scene(task)})[1]


def put(env, number, x, y):
    """Bring the middle of an object somewhere; return info."""
    start = env._world.objects()[number].position[:2]
    return env.step(action(start, (x, y)))[4]


# recorded episodes


def test_goals_aim_where_the_recorded_ones_do(records):
    """Bowls apart, which our goals take by their visible middle, not by the origin beside it."""
    for record in records:
        env = VimaEnv(record["task"], record["level"])
        env.reset(seed=record["seed"], options={"objects": record["objects"]})
        cast, (recorded,) = env.state()["cast"], record["goals"]
        (goal,) = cast.goals
        (target,), ((position, quaternion),) = goal.targets, recorded["targets"]
        assert list(goal.objects) == recorded["objs"] and list(cast.distractors) == record["distractors"]
        assert recorded["metric"] == "pose" and not (goal.oracle_only or recorded["oracle_only"])
        base = env._world.records[cast.one("base")].name
        expected = math.hypot(0.0435, 0.0144) if base == "bowl" else 0.0
        assert math.dist(target.position[:2], position[:2]) == pytest.approx(expected, abs=1e-3)
        recorded_yaw = 2 * math.atan2(quaternion[2], quaternion[3])
        assert abs(math.remainder(target.yaw - recorded_yaw, 2 * math.pi)) < 1e-3


def test_counts_are_the_recorded_ones(records):
    for record in records:
        meta, objects = record["extra"]["task_meta"], record["objects"]
        env = VimaEnv(record["task"], record["level"])
        info = env.reset(seed=record["seed"])[1]
        assert len(info["objects"]) == len(objects) and info["oracle_max_steps"] == record["oracle_max_steps"]
        if record["task"] in WITH_ADJECTIVE:
            examples = [name for name in info["prompt_assets"] if name.startswith("demo_blicker_obj_")]
            assert len(examples) == meta["n_supports"]
            assert len(info["objects"]) - 3 == meta["num_geometric_distractors"]


def test_pictures_show_what_the_recorded_ones_do(records):
    """Boxes within 2 px, areas within 15 % in 19 of 20 pictures, of tall and short objects too.

    Bases are left out: they are drawn centred here.
    """
    areas = []
    for record in records:
        assets = VimaEnv(record["task"], record["level"]).reset(seed=record["seed"])[1]["prompt_assets"]
        assert assets.keys() == record["prompt_assets"].keys()
        pictures = {key: value for key, value in record["prompt_assets"].items() if key != "base_obj"}
        for pixels, area in picture_errors(assets, record | {"prompt_assets": pictures}):
            assert pixels <= 2 and abs(area) < 0.2, (record["task"], record["level"], record["seed"])
            areas.append(abs(area))
    assert len(areas) > 300 and np.median(areas) < 0.05 and np.quantile(areas, 0.95) < 0.15


def test_recorded_actions_end_as_they_did(records):
    outcomes = [replay(record) for record in records]
    assert all(outcome.agreed for outcome in outcomes), [outcome.differ for outcome in outcomes]


# what the words mean


def look(asset, body=0):
    """Return how tall (pixels of the front view) and how bright (from above) a pictured object is."""
    top, front = (asset["segm"][view] == body for view in ("top", "front"))
    return int(front.sum()), float(asset["rgb"]["top"][:, top].mean())


@pytest.mark.parametrize("task", WITH_ADJECTIVE)
def test_pictures_and_sentence_name_the_right_object(task):
    """Read from pictures alone: all three pairs differ in the same way, and so do target and distractor."""
    env, kinds = VimaEnv(task, LEVELS[task]), set()
    for seed in range(HELD_OUT, HELD_OUT + 40):
        info = env.reset(seed=seed)[1]
        assets, cast = info["prompt_assets"], env.state()["cast"]
        differences = set()
        for i in (1, 2, 3):
            more, less = look(assets[f"demo_blicker_obj_{i}"]), look(assets[f"demo_less_blicker_obj_{i}"])
            by_height = more[0] != less[0]
            differences.add((by_height, more[0] > less[0] if by_height else more[1] > less[1]))
        ((by_height, greater),) = differences
        objects = {thing.id: thing for thing in info["objects"]}
        target, other = objects[cast.one("dragged")], objects[cast.distractors[0]]
        assert target.name == other.name
        if by_height:
            assert target.texture == other.texture
            found = target.scale[2] > other.scale[2]
            low, high = sorted((target.scale[2], other.scale[2]))
            assert 0.3 <= low <= 0.4 and high == pytest.approx(low + 2)
        else:
            light = min(target.texture, other.texture, key=len)
            assert {target.texture, other.texture} == {light, f"dark {light}"}
            found = target.texture == light
        wants_less = "Put the less " in info["prompt"]
        assert found == (greater != wants_less), (seed, info["prompt"])
        kinds.add((by_height, greater, wants_less))
    assert len(kinds) >= 7, "all meanings occur, with and without 'less'"


@pytest.mark.parametrize("task", ["novel_noun", "novel_adj_and_noun"])
def test_nouns_are_the_shapes(task):
    env, firsts = VimaEnv(task, LEVELS[task]), set()
    for seed in range(HELD_OUT, HELD_OUT + 30):
        info = env.reset(seed=seed)[1]
        definitions = dict(re.findall(r"This is a (\w+) \{(\w+)\}\.", info["prompt"]))
        shown = {placeholder.removesuffix("_1"): noun for noun, placeholder in definitions.items()}
        assert len(definitions) == 2 and set(definitions) <= NOUNS
        dragged, base = shown["dragged_obj"], shown["base_obj"]
        assert re.search(rf"Put (a|the) ((less )?\w+ )?{dragged} into (a|the) {base}\.$", info["prompt"])
        firsts.add(info["prompt"].startswith(f"This is a {dragged} "))
        assert all(
            info["prompt_assets"][key]["segm"]["obj_info"]["obj_color"] == "gray"
            for key in definitions.values()
        )
        cast = env.state()["cast"]
        objects = {thing.id: thing for thing in info["objects"]}
        names = {objects[cast.one(role)].name for role in ("dragged", "base")}
        others = cast.distractors[1:] if task in WITH_ADJECTIVE else cast.distractors
        assert others and not names & {objects[body].name for body in others}
        assert all(objects[body].fixed == OBJECTS[objects[body].name].base for body in others)
    assert firsts == {True, False}


@pytest.mark.parametrize("task", WITH_ADJECTIVE)
def test_the_height_is_hidden_in_the_object_s_own_picture(task):
    """It shows the shape gray and as tall as always, whichever of the two is meant."""
    env = VimaEnv(task, LEVELS[task])
    heights = set()
    for seed in range(HELD_OUT, HELD_OUT + 60):
        info = env.reset(seed=seed)[1]
        target = info["objects"][1]
        if target.name == "cross":
            heights.add((look(info["prompt_assets"]["dragged_obj"]), round(target.scale[2], 1)))
    assert len({picture for picture, _ in heights}) == 1 and len({height for _, height in heights}) > 1


# rules


@pytest.mark.parametrize("task", LEVELS)
class TestRules:
    def test_the_right_object_inside(self, task):
        env, _ = begin(task)
        info = put(env, 1, 0.5, -0.2)
        assert info["success"] and not info["failure"]

    def test_near_but_not_inside(self, task):
        env, _ = begin(task)
        info = put(env, 1, 0.5, -0.05)
        assert not info["success"] and not info["failure"]

    def test_a_distractor_inside_loses(self, task):
        for number in range(2, len(scene(task))):
            env, _ = begin(task)
            info = put(env, number, 0.5, -0.2)
            assert info["failure"] and not info["success"], number

    def test_the_object_beside_a_distractor_loses(self, task):
        env, _ = begin(task)
        info = put(env, 1, 0.38, 0.28)
        assert info["failure"] and not info["success"]

    def test_out_of_the_workspace_loses(self, task):
        env, info = begin(task)
        x, y, _ = info["objects"][1].position
        info = env.step(action((x, y + 0.03), (0.6, 0.5), end_rotation=yaw_quaternion(math.pi)))[4]
        assert not in_workspace(info["objects"][1].position) and info["failure"]

    def test_doing_nothing_neither_wins_nor_loses(self, task):
        env, info = begin(task)
        for _ in range(info["max_steps"]):
            _, _, terminated, truncated, info = env.step(action((0.26, -0.49), (0.26, -0.49)))
            assert not terminated and not (info["success"] or info["failure"])
        assert truncated

    def test_a_state_continues_identically(self, task):
        env, _ = begin(task, expert=True)
        put(env, 1, 0.65, 0.3)
        state = pickle.loads(pickle.dumps(env.state()))
        other = VimaEnv(task, LEVELS[task], expert=True)
        info = other.set_state(state)[1]
        results = [one.step(info["expert_action"]) for one in (env, other)]
        assert all(result[4]["success"] for result in results)
        assert results[0][4]["objects"] == results[1][4]["objects"]
        assert results[0][4]["prompt_assets"] == results[1][4]["prompt_assets"]
        for view in ("front", "top"):
            np.testing.assert_array_equal(*(result[0]["rgb"][view] for result in results))


@pytest.mark.parametrize("style", ["upstream", "canonical"])
@pytest.mark.parametrize(
    ("task", "level"), [*LEVELS.items(), ("novel_adj", "novel_object"), ("novel_noun", "novel_object")]
)
def test_expert_solves_held_out_seeds(task, level, style):
    env = VimaEnv(task, level, expert=True, expert_style=style)
    for seed in range(HELD_OUT + 100, HELD_OUT + 105):
        info = env.reset(seed=seed)[1]
        for _ in range(info["oracle_max_steps"]):
            if "expert_action" not in info:
                break
            info = env.step(info["expert_action"])[4]
        assert info["success"], (seed, info["objects"])


@pytest.mark.parametrize(("task", "images"), [("novel_adj", 8), ("novel_noun", 2), ("novel_adj_and_noun", 8)])
def test_a_model_can_be_asked(task, images):
    """Also after a step, when a first view would be a ninth image."""
    observation, info = VimaEnv(task, LEVELS[task]).reset(seed=HELD_OUT)
    for executed in ((), ("pick …",)):
        request = request_for(observation, info, observation, executed)
        assert len(request.image_history) == min(images + bool(executed), 8) and "{" not in request.text
