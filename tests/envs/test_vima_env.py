"""The tabletop environment as gymnasium users meet it: interface, determinism, states, recorded scenes."""

import hashlib
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.assets import PromptAssets
from envs.errors import EnvError
from envs.poses import Pose
from envs.vima import TASKS, Task, VimaEnv, register_task
from envs.vima.tasks.base import Cast, object_assets
from envs.vima.tasks.goals import Goal

FOUR = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")
ROOT = Path(__file__).parents[2]


def idle(end: float = 0.0) -> dict:
    """Pick at the table's far corner: moves nothing as long as nothing stands there."""
    corner = np.array([0.25, -0.5], np.float32)
    return {"pose0_position": corner, "pose0_rotation": 0.0, "pose1_position": corner, "pose1_rotation": end}


def digest(observation: dict, info: dict) -> str:
    pictures = [observation[kind][view].tobytes() for kind in ("rgb", "segm") for view in ("front", "top")]
    return hashlib.sha256(b"".join(pictures) + repr(info["objects"]).encode()).hexdigest()


def play(env: gymnasium.Env, seed: int) -> list[str]:
    """Play an expert episode and return a digest of every observation and state."""
    observation, info = env.reset(seed=seed)
    digests, done = [digest(observation, info)], False
    while not done:
        observation, _, terminated, truncated, info = env.step(info["expert_action"])
        digests.append(digest(observation, info))
        done = terminated or truncated
    return digests


@pytest.mark.parametrize("task", FOUR)
@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_gymnasium_checker(task, render_mode):
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space.*")
        check_env(gymnasium.make(f"vima/{task}-v0", render_mode=render_mode).unwrapped)


@pytest.mark.parametrize("task", FOUR)
def test_info_and_observation(task):
    env = gymnasium.make(f"vima/{task}-v0", level="placement")
    observation, info = env.reset(seed=3)
    assert observation in env.observation_space
    assert info["task"] == task and info["level"] == "placement" and info["seed"] == 3
    assert info["end_effector"] == observation["ee"] == (task.startswith("sweep"))
    assert info["max_steps"] == info["oracle_max_steps"] + 2
    assert not info["success"] and not info["failure"] and "expert_action" not in info
    assert len({state.id for state in info["objects"]}) == len(info["objects"])
    assert set(np.unique(observation["segm"]["top"])) <= {0, 1, *(state.id for state in info["objects"])}
    placeholders = {part.split("}")[0] for part in info["prompt"].split("{")[1:]}
    assert set(info["prompt_assets"]) == placeholders


def test_prompt_assets_are_immutable_equal_and_pickle():
    env = VimaEnv("scene_understanding")
    first = env.reset(seed=1)[1]["prompt_assets"]
    again, other = env.reset(seed=1)[1]["prompt_assets"], env.reset(seed=2)[1]["prompt_assets"]
    assert not isinstance(first, dict) and not isinstance(first["scene"], dict)
    assert first == again == pickle.loads(pickle.dumps(first)) and first != other
    with pytest.raises(TypeError):
        first["scene"] = None
    with pytest.raises(ValueError, match="read-only"):
        first["scene"]["rgb"]["top"][0] = 0
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(first))["scene"]["rgb"]["top"][0] = 0
    assert first["scene"]["rgb"]["front"].shape == (3, 128, 256)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_environments(mode):
    """Works after the parent has rendered, keeps assets whole, and expert episodes may end at different
    times.
    """
    VimaEnv("rotate").reset(seed=0)
    vector = gymnasium.make_vec("vima/rotate-v0", num_envs=2, vectorization_mode=mode, expert=True)
    try:
        observation, info = vector.reset(seed=[1, 2])
        assert observation["rgb"]["top"].shape == (2, 3, 128, 256)
        assert all(isinstance(assets, PromptAssets) for assets in info["prompt_assets"])
        alone = VimaEnv("rotate").reset(seed=2)
        np.testing.assert_array_equal(observation["rgb"]["top"][1], alone[0]["rgb"]["top"])
        assert info["prompt_assets"][1] == alone[1]["prompt_assets"]
        actions = {key: value.copy() for key, value in info["expert_action"].items() if key[0] != "_"}
        actions["pose0_position"][1] = (0.25, -0.5)
        _, rewards, terminated, _, info = vector.step(actions)
        assert list(rewards) == [1, 0] and list(terminated) == [True, False]
        assert list(info["_expert_action"]) == [False, True]
    finally:
        vector.close()


def test_same_seed_same_episode_in_any_order_and_process():
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.envs.test_vima_env import play, VimaEnv\n"
        "print('\\n'.join(play(VimaEnv('sweep_without_exceeding', 'placement', expert=True), 11)))\n"
        "print('\\n'.join(play(VimaEnv('visual_manipulation', 'placement', expert=True), 12)))\n"
    )
    other_process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    lifting = VimaEnv("visual_manipulation", "placement", expert=True)
    pushing = VimaEnv("sweep_without_exceeding", "placement", expert=True)
    play(lifting, 5)
    ours = play(lifting, 12)
    play(pushing, 7)
    ours = play(pushing, 11) + ours
    assert ours == other_process.stdout.split(), other_process.stderr


def test_the_expert_leaves_no_trace():
    """An episode is the same whether or not an expert looks on."""
    for task in ("rotate", "sweep_without_exceeding"):
        watched, alone = VimaEnv(task, "placement", expert=True), VimaEnv(task, "placement")
        observation, info = watched.reset(seed=21)
        assert digest(observation, info) == digest(*alone.reset(seed=21))
        action = info["expert_action"]
        observation, *_, info = watched.step(action)
        other, *_, other_info = alone.step(action)
        assert digest(observation, info) == digest(other, other_info)


def test_state_round_trip_in_mid_episode():
    env = VimaEnv("sweep_without_exceeding", "placement", expert=True)
    info = env.reset(seed=4)[1]  # three blocks, all to be swept
    observation, *_, info = env.step(info["expert_action"])
    assert not (info["success"] or info["failure"])
    state = pickle.loads(pickle.dumps(env.state()))
    ahead = env.step(info["expert_action"])
    back_observation, back_info = env.set_state(state)
    assert digest(back_observation, back_info) == digest(observation, info)
    for key, value in info["expert_action"].items():
        np.testing.assert_array_equal(value, back_info["expert_action"][key])
    other = VimaEnv("sweep_without_exceeding", "placement", expert=True)
    for again in (env, other):
        again.set_state(state)
        replayed = again.step(info["expert_action"])
        assert digest(replayed[0], replayed[4]) == digest(ahead[0], ahead[4]) and replayed[1:4] == ahead[1:4]
    with pytest.raises(EnvError, match="does not fit"):
        VimaEnv("rotate").set_state(state)


@pytest.mark.parametrize("task", FOUR)
def test_recorded_scene(task):
    """A scene put back by its objects gives the same pictures and the same continuation."""
    env = VimaEnv(task, "placement", expert=True)
    observation, info = env.reset(seed=31)
    action = info["expert_action"]
    ahead = env.step(action)
    again, again_info = env.reset(seed=31, options={"objects": info["objects"]})
    assert digest(again, again_info) == digest(observation, info)
    assert again_info["prompt_assets"] == info["prompt_assets"]
    replayed = env.step(action)
    assert digest(replayed[0], replayed[4]) == digest(ahead[0], ahead[4])


def test_recorded_scene_from_a_mapping_and_misfits():
    env = VimaEnv("rotate", "placement")
    objects = env.reset(seed=1)[1]["objects"]
    records = [
        {
            "id": state.id, "name": "heart", "texture": "olive", "category": "rigid", "size": state.size,
            "scaling": 1.0, "spawn_pos": [0.4 + 0.01 * state.id, 0.1 * state.id - 0.5, 0.018],
            "spawn_quat": [0, 0, 0, 1],
        }
        for state in reversed(objects)
    ]  # fmt: skip
    info = env.reset(seed=1, options={"objects": records})[1]
    assert [(state.name, state.texture) for state in info["objects"]] == [("heart", "olive")] * 2
    assert info["objects"][0].position[:2] == pytest.approx((0.45, 0.0))
    with pytest.raises(EnvError, match=r"unknown texture 'oliv' .did you mean 'olive'"):
        env.reset(seed=1, options={"objects": [record | {"texture": "oliv"} for record in records]})
    with pytest.raises(EnvError, match="has 2 objects"):
        env.reset(seed=1, options={"objects": records[:1]})
    with pytest.raises(EnvError, match="lacks 'texture'"):
        env.reset(seed=1, options={"objects": [{"name": "heart", "category": "rigid"}] * 2})
    with pytest.raises(EnvError, match="unknown reset options"):
        env.reset(seed=1, options={"object": []})


def test_truncated_after_two_steps_more_than_the_expert_needs():
    env = VimaEnv("rotate", "placement")
    env.reset(seed=4)
    ends = [env.step(idle())[2:4] for _ in range(env.max_steps)]
    assert ends == [(False, False)] * (env.max_steps - 1) + [(False, True)]
    with pytest.raises(EnvError, match="past the end"):
        env.step(idle())


def test_action_forms():
    env = VimaEnv("rotate", "placement", expert=True)
    action = env.reset(seed=2)[1]["expert_action"]
    yaw = 2 * np.arctan2(action["pose1_rotation"][2], action["pose1_rotation"][3])
    results = []
    for rotation in (action["pose1_rotation"], 0.37 * action["pose1_rotation"], float(yaw), np.array([yaw])):
        env.reset(seed=2)
        results.append(env.step({**action, "pose1_rotation": rotation})[4])
    assert all(info["success"] for info in results)
    positions = np.array([[state.position for state in info["objects"]] for info in results])
    assert np.ptp(positions, axis=0).max() < 1e-5
    env.reset(seed=2)
    for broken, text in (
        ({"pose0_position": (0.5, 0.0)}, "mapping of pose0_position, pose0_rotation"),
        ({**action, "pose0_position": (np.nan, 0)}, "finite"),
        ({**action, "pose1_rotation": (0, 1)}, "1 or 4 finite"),
        (7, "got int"),
    ):
        with pytest.raises(EnvError, match=text):
            env.step(broken)
    with pytest.raises(EnvError, match="before reset"):
        VimaEnv("rotate").step(action)


def test_unknown_names_tell_the_nearest():
    for build, nearest in (
        (lambda: VimaEnv("rotat"), "did you mean 'rotate'"),
        (
            lambda: VimaEnv("rotate", "placment"),
            "did you mean 'placement'.*of placement, combinatorial, novel_object",
        ),
        (lambda: VimaEnv("rotate", expert_style="canonicl"), "did you mean 'canonical'"),
        (lambda: VimaEnv("rotate", difficulty="eazy"), "did you mean 'easy'"),
        (lambda: VimaEnv("rotate", render_mode="humn"), "rgb_array"),
    ):
        with pytest.raises(EnvError, match=nearest):
            build()
    with pytest.raises(EnvError, match=r"does not hold task 'rotate'.*placement, combinatorial"):
        VimaEnv("rotate", "novel_task")


@pytest.mark.parametrize(
    "make",
    [
        lambda mode: VimaEnv("rotate", render_mode=mode),
        lambda mode: gymnasium.make("vima/rotate-v0", render_mode=mode),
        lambda mode: envs.suite("vima").make("rotate", render_mode=mode),
        lambda mode: gymnasium.make_vec("vima/rotate-v0", num_envs=1, render_mode=mode),
    ],
)
def test_human_rendering_says_what_there_is(make):
    with pytest.raises(EnvError, match=r"there is rgb_array, .* uio2 play"):
        make("human")
    make("rgb_array").close()


def test_a_reset_without_a_seed_never_plays_a_held_out_one():
    env = VimaEnv("rotate", "placement")
    env.reset(seed=1)
    seeds = [env.reset()[1]["seed"] for _ in range(3)]
    assert len(set(seeds)) == 3 and all(0 <= seed < 5_000_000 for seed in seeds)


def test_render_stacks_both_views():
    env = VimaEnv("rotate", render_mode="rgb_array")
    observation, _ = env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (256, 256, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[128:].transpose(2, 0, 1), observation["rgb"]["top"])


def test_a_task_of_ones_own():
    """Everything outside the task file works for a task that is registered from outside."""

    class Nudge(Task):
        name = "nudge_for_test"
        oracle_max_steps = 2

        def spawn(self, world):
            def draw():
                return "heart", "olive", world.draw_size("heart")

            return Cast(roles={"dragged": (world.try_place(draw),)})

        def prompt(self, world, cast):
            return "Bring {it} to the middle."

        def assets(self, world, cast):
            return object_assets(world, {"it": cast.one("dragged")}, gray=["it"])

        def goals(self, world, cast):
            return [Goal(objects=cast.roles["dragged"], targets=(Pose((0.5, 0.0, 0.0)),))]

    register_task(Nudge)
    try:
        env = gymnasium.make("vima/nudge_for_test-v0", expert=True, level="combinatorial")
        info = env.reset(seed=9)[1]
        assert info["prompt_assets"]["it"]["segm"]["obj_info"]["obj_color"] == "gray"
        assert env.step(info["expert_action"])[4]["success"]
    finally:
        del TASKS["nudge_for_test"]
        del gymnasium.registry["vima/nudge_for_test-v0"]
