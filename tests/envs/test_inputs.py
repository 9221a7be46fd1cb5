"""What callers may give an environment: every mistake is one line of EnvError and harms nothing."""

import math
from collections import OrderedDict, defaultdict

import numpy as np
import pytest

from envs.errors import EnvError, shown, unknown_name
from envs.inputs import numbers, whole_number
from envs.vima import VimaEnv
from envs.vima.levels import TASK_LEVELS
from envs.vima.things.objects import OBJECTS
from envs.vima.things.textures import TEXTURES
from tests.envs.test_vima_env import digest


class Hostile:
    """A value of which nothing works."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no array")

    def __index__(self):
        raise RuntimeError("no index")


NOT_NUMBERS = (
    *(None, True, [True, 0.1], "0.5", ["0.5", "0.5"], b"0", {}, {"a": 1}, object(), Hostile(), {0.1, 0.2}),
    *(1j, [1j, 2], 10**400, 10**5000, [10**400, 0], [[0.1], [0.2, 0.3]], [[0.5, 0.1]], np.zeros((2, 2)), []),
    *(np.array([0.1, 0.2], object), np.datetime64("2020"), [math.nan, 0], [math.inf, 0], math.nan, [0.1] * 7),
)
"""Neither a yaw, a position nor a quaternion."""
NUMBERS = (0.3, 1e308, -1e308, [0.4, 0.1], [1e300, -1e300], [1e300] * 4, [1e-300] * 4, (0, 0, 0, 0), 5, -0.0)


def test_what_is_no_number_is_one_line():
    for value in NOT_NUMBERS:
        with pytest.raises(EnvError, match="the place must be 2 finite number") as caught:
            numbers(value, "the place", (2,))
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
        with pytest.raises(EnvError, match="the count must be a whole number from 0 to 9"):
            whole_number(value, "the count", 0, 9)


def test_numbers_of_every_kind_are_read():
    for value in ([1, 2], (1.0, 2), np.array([1, 2], np.int8), np.array([1, 2], np.float16)):
        read = numbers(value, "it", (2,))
        assert read.dtype == np.float64 and read.tolist() == [1, 2]
    assert numbers(3, "it", (1, 4)).tolist() == numbers(np.array(3.0), "it", (1,)).tolist() == [3]
    assert whole_number(np.int16(4), "it", 0, 4) == 4
    with pytest.raises(EnvError, match=r"it must be 1 finite number\(s\) from 0 to 1; got 2"):
        numbers(2, "it", (1,), 0, 1)
    with pytest.raises(EnvError, match="finite"):
        numbers(np.array([np.finfo(np.longdouble).max]), "it", (1,))


def test_whatever_is_shown_fits_on_a_line():
    for value in (*NOT_NUMBERS, "a" * 10**6, "a\nb", np.zeros((50, 50)), list(range(10**6))):
        assert "\n" not in shown(value) and len(shown(value)) <= 81
        assert "choose one of" in str(unknown_name("thing", value, ["a", "b"]))
        assert len(str(unknown_name("thing", value, map(str, range(1000))))) < 250


def test_of_many_names_the_nearest_are_told():
    environment = VimaEnv("rotate")
    records = [dict(vars(record)) for record in environment.reset(seed=0)[1]["objects"]]
    records[0]["texture"] = "red swril"
    with pytest.raises(EnvError) as told:
        environment.reset(seed=0, options={"objects": records})
    assert "unknown texture 'red swril' (did you mean 'red swirl'?): choose one of 8" in str(told.value)
    assert "the nearest red swirl, green swirl, dark " in str(told.value) and len(str(told.value)) < 250


# the environment


@pytest.fixture(scope="module")
def env(rendering):
    return VimaEnv("rotate", "placement", expert=True)


def test_seeds_that_are_none(env):
    for seed in (-1, 2**63, 2**70, 10**5000, 1.5, np.float32(1), "3", True, [1], {}, Hostile()):
        with pytest.raises(EnvError, match="seed must be a whole number from 0 to 9223372036854775807"):
            env.reset(seed=seed)


def test_seeds_at_the_border(env):
    for seed in (0, np.int64(7), np.uint8(200), 2**63 - 1):
        assert env.reset(seed=seed)[1]["seed"] == seed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (5, "a mapping"),
        ([], "a mapping"),
        (["objects"], "a mapping"),
        ("objects", "a mapping"),
        ({"object": []}, "unknown reset options 'object'"),
        ({1: 2, "objects": []}, "unknown reset options 1"),
        ({"objects": 5}, "a list of recorded objects"),
        ({"objects": None}, "a list of recorded objects"),
        ({"objects": "heart"}, "a list of recorded objects"),
        ({"objects": {"name": "heart"}}, "a list of recorded objects"),
        ({"objects": iter([])}, "a list of recorded objects"),
        ({"objects": [5]}, r"objects\[0\] is an ObjectState or a mapping"),
        ({"objects": [{}] * 10**5}, "at most 100 objects; got 100000"),
    ],
)
def test_options_that_are_none(env, options, says):
    before = digest(*env.reset(seed=3))
    action = env.reset(seed=3)[1]["expert_action"]
    with pytest.raises(EnvError, match=says):
        env.reset(seed=4, options=options)
    after = env.step(action)
    assert digest(*env.reset(seed=3)) == before
    again = env.step(action)
    assert digest(after[0], after[4]) == digest(again[0], again[4])


def records(env, seed=3):
    return [dict(vars(state)) for state in env.reset(seed=seed)[1]["objects"]]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("scale", -1, "from 0.2 to 5; got -1"),
        ("scale", 0, "from 0.2 to 5; got 0"),
        ("scale", (1, 1, math.nan), "from 0.2 to 5"),
        ("scale", (1, 1), "1 or 3 finite"),
        ("position", (1e30, 0, 0), "off the table, x from -1 to 2; got"),
        ("position", (0.5, 0, -5), "off the table, z from -0.1 to 0.5"),
        ("position", (0.5, 0), "3 finite"),
        ("position", (0.5, math.nan, 0), "3 finite"),
        ("quaternion", (0, 0, 0, 0), "length 1"),
        ("quaternion", (0, 0, 3, 0), "length 1"),
        ("quaternion", (0, 0, 1e300, 1e300), "length 1"),
        ("quaternion", 0.5, "4 finite"),
        ("size", (0.1, 0.1, 1e3), "z from "),
        ("size", (0.1, -0.1, 0.1), "y from "),
        ("size", None, "3 finite"),
        ("name", "haert", "unknown object 'haert' .did you mean 'heart'"),
        ("name", ["heart"], "unknown object"),
        ("name", "heart" * 10**5, "unknown object"),
        ("texture", "oliv", "unknown texture 'oliv' .did you mean 'olive'"),
        ("texture", 5, "unknown texture 5"),
        ("fixed", True, "is False; got True"),
        ("fixed", "no", "is False; got 'no'"),
        ("category", "fixed", "is 'rigid'; got 'fixed'"),
        ("category", [], "is 'rigid'"),
        ("id", 1.5, "whole number"),
        ("id", "6", "whole number"),
        ("target", 5, "a Pose or a mapping"),
        ("target", {"position": (9, 9, 9), "quaternion": (0, 0, 0, 1)}, r"\['target'\]\['position'\] is off"),
    ],
)
def test_a_wrong_field_of_an_object_is_named(env, field, value, says):
    objects = records(env)
    objects[1][field] = value
    with pytest.raises(EnvError, match=says) as caught:
        env.reset(seed=3, options={"objects": objects})
    assert "objects[1]" in str(caught.value)
    if field in ("name", "texture"):
        return
    assert field in str(caught.value)


def test_an_object_state_is_checked_as_a_mapping_is(env):
    first, second = env.reset(seed=3)[1]["objects"]
    for wrong in (
        {"scale": -1.0},
        {"position": (1e30, 0.0, 0.0)},
        {"quaternion": (0.0,) * 4},
        {"name": "haert"},
    ):
        with pytest.raises(EnvError, match=r"objects\[1\]"):
            env.reset(seed=3, options={"objects": [first, type(second)(**{**vars(second), **wrong})]})
    again = env.reset(seed=3, options={"objects": [first, second]})[1]["objects"]
    assert again == (first, second)


def test_ids_are_given_once_or_not_at_all(env):
    objects = records(env)
    without = [{key: value for key, value in each.items() if key != "id"} for each in objects]
    named = env.reset(seed=3, options={"objects": without})[1]["objects"]
    assert [state.name for state in named] == [each["name"] for each in objects]
    with pytest.raises(EnvError, match=r"objects\[0\] and objects\[1\] have one id, 5"):
        env.reset(seed=3, options={"objects": [each | {"id": 5} for each in objects]})
    with pytest.raises(EnvError, match=r"objects\[1\] lacks 'id'"):
        env.reset(seed=3, options={"objects": [objects[0], without[1]]})
    with pytest.raises(EnvError, match="lacks 'size'"):
        env.reset(
            seed=3, options={"objects": [{k: v for k, v in each.items() if k != "size"} for each in objects]}
        )


def test_a_size_is_needed_where_it_shapes_the_object(env):
    for name, size, ok in (("block", (0.07, 0.07, 0.0), False), ("heart", (0.144, 0.144, 0.0), True)):
        objects = [each | {"name": name, "size": size} for each in records(env)]
        if ok:
            env.reset(seed=3, options={"objects": objects})
            continue
        with pytest.raises(EnvError, match=r"size'\] of a block has z from 0.0175 to 0.29"):
            env.reset(seed=3, options={"objects": objects})


def test_a_sweep_takes_the_blocks_it_can_count(rendering):
    env = VimaEnv("sweep_without_exceeding", "placement", expert=True)
    bounds, line, *blocks = records(env, seed=4)
    many = [block | {"id": 10 + i} for i, block in enumerate(blocks * 5)]
    with pytest.raises(EnvError, match="one to three blocks"):
        env.reset(seed=4, options={"objects": [bounds, line, *many]})
    large = [block | {"scale": 2.0} for block in blocks]
    with pytest.raises(EnvError, match="a small block of sweep_without_exceeding is"):
        env.reset(seed=4, options={"objects": [bounds, line, *large]})


def test_a_sweep_with_every_block_inside_has_nothing_for_the_expert(rendering):
    """Neither solved nor to be solved: distractors are inside too."""
    env = VimaEnv("sweep_without_touching", "novel_task", expert=True)
    bounds, line, *blocks = records(env, seed=49)
    inside = [block | {"position": bounds["position"]} for block in blocks]
    assert env.reset(seed=49, options={"objects": [bounds, line, *inside]})[1]["expert_action"] is None


@pytest.mark.parametrize(
    "key", ["pose0_position", "pose0_rotation", "pose1_position", "pose1_rotation", None]
)
def test_a_refused_action_harms_nothing(env, key):
    right = env.reset(seed=3)[1]["expert_action"]
    ahead = env.step(right)
    ahead = digest(ahead[0], ahead[4])
    env.reset(seed=3)
    for value in (*NOT_NUMBERS, *([0.3, [0.1] * 3] if key is None or "position" in key else [[0.1] * 2])):
        with pytest.raises(
            EnvError, match=f"action\\['{key}'\\] must be" if key else "an action is a mapping"
        ):
            env.step(value if key is None else {**right, key: value})
    for wrong in ({k: v for k, v in right.items() if k != key}, defaultdict(list), {10**5000: 1}):
        if key is not None:
            with pytest.raises(EnvError, match="an action is a mapping of pose0_position"):
                env.step(wrong)
    again = env.step(OrderedDict(right))
    assert digest(again[0], again[4]) == ahead


def test_positions_are_clipped_and_turns_are_folded(env):
    right = env.reset(seed=3)[1]["expert_action"]
    yaw = 2 * math.atan2(right["pose1_rotation"][2], right["pose1_rotation"][3])
    huge, tiny = (right["pose1_rotation"].astype(float) * factor for factor in (1e300, 1e-200))
    for rotation in (yaw, yaw + 6 * math.pi, huge, tiny):
        env.reset(seed=3)
        assert env.step({**right, "pose1_rotation": rotation})[4]["success"]
    for value in (1e300, -1e300, 5.0):
        env.reset(seed=3)
        outside = env.step({**right, "pose1_position": (value, value)})[4]["objects"]
        env.reset(seed=3)
        corner = (0.75, 0.5) if value > 0 else (0.25, -0.5)
        assert env.step({**right, "pose1_position": corner})[4]["objects"] == outside


def test_wrong_names_of_every_type():
    for wrong in ("rotat", 5, None, [], {}, Hostile(), int):
        with pytest.raises(EnvError, match="unknown task"):
            VimaEnv(wrong)
    for wrong in ("placment", 5, [], {}, Hostile()):
        with pytest.raises(EnvError, match="unknown level"):
            VimaEnv("rotate", wrong)
        with pytest.raises(EnvError, match="unknown difficulty"):
            VimaEnv("rotate", difficulty=wrong)
        with pytest.raises(EnvError, match="unknown expert style"):
            VimaEnv("rotate", expert_style=wrong)
        with pytest.raises(EnvError, match="unknown render mode"):
            VimaEnv("rotate", render_mode=wrong)


def test_states_and_watchers_that_are_none(env):
    action = env.reset(seed=3)[1]["expert_action"]
    state = env.state()
    damaged = [
        *(
            5,
            {},
            None,
            state | {"cast": 5},
            state | {"seed": "3"},
            {k: v for k, v in state.items() if k != "steps"},
        ),
        *(state | {"scene": {}}, state | {"np_random": {}}),
        state | {"scene": {**state["scene"], "bodies": [{"id": 1}]}},
    ]
    for wrong in damaged:
        with pytest.raises(EnvError, match=r"set_state takes what state\(\) returned"):
            env.set_state(wrong)
    for callback, size in (
        (5, (96, 96)),
        (print, (0, 96)),
        (print, (-1, 96)),
        (print, ("a", 96)),
        (print, (9, 10**9)),
    ):
        with pytest.raises(EnvError):
            env.watch(callback, *size)
    assert env.step(action)[4]["success"]


# anything at all


@pytest.mark.parametrize("seed", range(4))
def test_nothing_but_the_environments_own_error_comes_out(rendering, seed):
    """Random mistakes in seeds, options, objects and actions; what is accepted leaves finite poses."""
    rng = np.random.default_rng(seed)
    values = (*NOT_NUMBERS, *NUMBERS, -1, 2**64, [0.5, 0.1, 0.02], (0, 0, 0, 1))
    anything = lambda: values[rng.integers(len(values))]  # noqa: E731
    made = {task: VimaEnv(task, expert=True) for task in rng.choice(list(TASK_LEVELS), 4, replace=False)}
    accepted = refused = 0
    for _ in range(100):
        env = made[rng.choice(list(made))]
        info = env.reset(seed=int(rng.integers(100)))[1]
        action = dict(info["expert_action"] or env.action_space.sample())  # of a lost scene it knows nothing
        objects = [dict(vars(state)) for state in info["objects"]]
        kind = rng.choice(["seed", "options", "field", "pose", "action"])
        try:
            if kind == "seed":
                env.reset(seed=anything())
            elif kind == "options":
                env.reset(seed=1, options={"objects": anything()} if rng.random() < 0.5 else anything())
            elif kind == "action":
                action[rng.choice(list(action))] = anything()
                env.step(action)
            else:
                each = objects[rng.integers(len(objects))]
                if kind == "field":
                    each[rng.choice([*each, "scaling", "category", "spawn_pos"])] = anything()
                else:
                    each.update(_any_body(rng, fixed=each["fixed"]))
                info = env.reset(seed=info["seed"], options={"objects": objects})[1]
                if info["expert_action"] is not None:
                    env.step(info["expert_action"])
            accepted += 1
        except EnvError as error:
            assert "\n" not in str(error)
            refused += 1
        for state in env.state()["scene"]["bodies"]:
            assert np.isfinite([*state["position"], *state["quaternion"]]).all()
    assert accepted > 10 and refused > 10


def _any_body(rng, *, fixed: bool):
    """Some object of any shape within the documented ranges."""
    kind = OBJECTS[rng.choice([name for name, kind in OBJECTS.items() if kind.base == fixed])]
    quaternion = rng.normal(size=4)
    return {
        "name": kind.name,
        "texture": rng.choice(TEXTURES).item(),
        "size": tuple(rng.uniform(np.divide(kind.size_low, 4), np.multiply(kind.size_high, 4))),
        "scale": tuple(rng.uniform(0.2, 5, 3)) if rng.random() < 0.5 else float(rng.uniform(0.2, 5)),
        "position": tuple(rng.uniform((-1, -2, -0.1), (2, 2, 0.5))),
        "quaternion": tuple(quaternion / np.linalg.norm(quaternion)),
    }
