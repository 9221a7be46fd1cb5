"""The plug-ins for LeRobot, without LeRobot: what its rollouts read, and what our policies get through it.

The real LeRobot plays in `tests/proof/lerobot_plugins.py`.
"""

import json
import runpy
import tomllib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs
from policies import Step, embodiments, load_policy
from policies.base import Policy
from policies.carried import carried, read_carried
from policies.embodiments.vima import SPATULA, SUCTION, tool_of
from policies.prompts import described_prompt
from rollouts.errors import RolloutError
from uio2_agent.errors import UIO2Error

PLUGINS = Path(__file__).parents[1] / "plugins"
SEEDS = [0, 3]
TASK = "rotate"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lerobot_env_uio2", "lerobot_policy_uio2"):
        monkeypatch.syspath_prepend(PLUGINS / name)


def vectors(**options: Any) -> Any:
    from lerobot_env_uio2 import make_vectors

    return make_vectors("vima", TASK, n_envs=2, **options)


def ours(seed: int) -> tuple[gym.Env, Any, Any]:
    """The episode as gymnasium gives it."""
    env = gym.make(f"vima/{TASK}-v0", level="placement", expert=True)
    return env, *env.reset(seed=envs.FIRST_HELD_OUT_SEED + seed)


class Watched(Policy):
    """Idles, and keeps what it was asked."""

    def __init__(self) -> None:
        self.begun, self.asked, self.tools = [], [], []

    def reset(self, slot, observation, info):
        self.begun.append((slot, info["prompt"], info["seed"]))

    def act(self, steps):
        self.asked.append([step.slot for step in steps])
        body = embodiments.get("vima")
        states = [body.state(step.observation, step.info) for step in steps]
        self.tools.append([tool_of(state) for state in states])
        return [body.idle_action(state) for state in states]


def test_names_are_those_that_lerobot_looks_for() -> None:
    for folder, prefix in (("lerobot_env_uio2", "lerobot_env_"), ("lerobot_policy_uio2", "lerobot_policy_")):
        name = tomllib.loads((PLUGINS / folder / "pyproject.toml").read_text())["project"]["name"]
        assert name.startswith(prefix)
        assert (PLUGINS / folder / name / "__init__.py").is_file(), "it imports the distribution's name"


def test_a_rollout_as_lerobot_plays_it(rendering: None) -> None:
    vector = vectors()["vima_placement"][2]
    body = embodiments.get("vima")
    observation, _ = vector.reset(seed=SEEDS, options={"lerobot_new_rollout": True})
    env, seen, info = ours(SEEDS[0])
    for camera in ("front", "top"):
        assert np.array_equal(observation["pixels"][camera][0], seen["rgb"][camera].transpose(1, 2, 0))
    assert np.array_equal(observation["agent_pos"][0], body.state(seen, info))
    words = described_prompt(info["prompt"], info["prompt_assets"])
    assert vector.call("task_description")[0] == words and "{" not in words
    assert vector.call("_max_episode_steps")[0] == info["max_steps"] == 5
    idle = body.vector(body.idle_action(observation["agent_pos"][1]))
    solves = body.vector(info["expert_action"])
    solved = seen = env.step(body.action(solves))
    assert solved[4]["success"], "one motion solves it"
    for number in range(1, 6):
        observation, reward, terminated, truncated, told = vector.step(np.stack([solves, idle]))
        assert told["final_info"]["is_success"].tolist() == [True, False], "LeRobot counts this"
        assert reward.tolist() == [float(number == 1), 0.0], "the end is rewarded once"
        assert terminated.tolist() == [True, False] and truncated.tolist() == [False, number == 5]
        assert observation["steps"][:, 0].tolist() == [-1, number if number < 5 else -1]
        top = seen[0]["rgb"]["top"].transpose(1, 2, 0)
        assert np.array_equal(observation["pixels"]["top"][0], top), "what has ended stands still"
        assert vector.envs[0].render().shape == (256, 256, 3)
    observation, _ = vector.reset(seed=SEEDS, options={"lerobot_new_rollout": True})
    assert observation["steps"].tolist() == [[0], [0]]
    vector.close()
    env.close()


def test_limits_seeds_and_numbers(rendering: None) -> None:
    from lerobot_env_uio2 import LeRobotEnv

    vector = vectors(episode_length=2, first_seed=10)["vima_placement"][2]
    _, told = vector.reset(seed=SEEDS)
    assert told["seed"].tolist() == [10, 13]
    wild = np.full((2, 12), 40.0, np.float32)
    vector.step(wild)
    assert vector.step(wild)[3].tolist() == [True, True]
    vector.reset(seed=SEEDS)
    with pytest.raises(envs.EnvError, match=r"12 finite numbers \(pose0.x"):
        vector.step(np.full((2, 12), np.nan))
    vector.close()
    for body, numbers, expected in (
        ("navigation", [7.6], [5]),
        ("navigation", [2.4], [2]),
        ("household", [9.9, -2, 0.5], [9, 0, 0.5]),
    ):
        body = embodiments.get(body)
        vector = body.possible(np.array(numbers, np.float32))
        assert vector.tolist() == expected
        body.checked(body.action(vector))
    env = LeRobotEnv("habitat", "PointNav", "small", size=48, sensors=["map"])
    env.reset(seed=0)
    assert env.step(np.array([7.6]))[0]["steps"] == 1, "a policy that knows no bounds does not end it"
    env.close()


def test_suites_tasks_and_the_form_of_the_hub() -> None:
    from lerobot_env_uio2 import make_vectors

    made = make_vectors("vima", "rotate,follow_motion")
    assert {level: list(tasks) for level, tasks in made.items()} == {
        "vima_placement": [2],
        "vima_novel_task": [9],
    }
    assert list(make_vectors("habitat", sensors=["map"])) == ["habitat_medium"]
    with pytest.raises(envs.EnvError, match="these are of navigation and household"):
        make_vectors("procthor", "ObjectNav,PickAndPlace")
    with pytest.raises(RolloutError, match="level=placement lacks follow_motion"):
        make_vectors("vima", "follow_motion", "placement")
    hub = runpy.run_path(str(PLUGINS / "lerobot_env_uio2" / "env.py"))
    assert list(hub["make_env"](n_envs=1, use_async_envs=True)) == ["vima_placement"]


def test_a_policy_decides_as_it_does_without_lerobot(rendering: None) -> None:
    from lerobot_policy_uio2 import Rows

    policy = load_policy("nano")
    steps = []
    for slot, seed in enumerate(SEEDS):
        env, observation, info = ours(seed)
        env.close()
        policy.reset(slot, observation, info)
        steps.append(Step(slot, observation, info))
    body = embodiments.get("vima")
    expected = np.stack([body.vector(body.checked(action)) for action in policy.act(steps)])
    vector = vectors()["vima_placement"][2]
    seen, _ = vector.reset(seed=SEEDS)
    vector.close()
    rows = Rows(policy, body)
    told = seen["prompt"].astype(np.float32)  # as LeRobot hands numbers on
    found = rows.act(seen["pixels"], seen["agent_pos"], told=told, steps=seen["steps"][:, 0])
    assert np.array_equal(found, expected)


def test_rows_begin_and_end_one_by_one() -> None:
    from lerobot_policy_uio2 import Rows

    told = np.stack([carried(_info(seed)) for seed in (1, 2, 3)])
    views = {camera: np.zeros((2, 128, 256, 3), np.uint8) for camera in ("front", "top")}
    states = np.array([[1, 0], [0, 1]], np.float32)
    watched = Watched()
    rows = Rows(watched, embodiments.get("vima"))
    for chosen, steps in (([0, 1], [0, 0]), ([0, 1], [1, -1]), ([2, 1], [0, -1]), ([2, 1], [1, 0])):
        assert rows.act(views, states, told=told[chosen], steps=np.array(steps)).shape == (2, 12)
    assert watched.asked == [[0, 1], [0], [0], [0, 1]], "what has ended costs nothing"
    assert watched.tools[0] == [SUCTION, SPATULA]
    assert watched.begun == [(0, "Go 1.", 1), (1, "Go 2.", 2), (0, "Go 3.", 3), (1, "Go 2.", 2)]


def test_rows_of_strangers_are_told_in_words() -> None:
    from lerobot_policy_uio2 import Rows

    views = {"top": np.zeros((1, 128, 256, 3), np.uint8)}
    states = np.array([[1, 0]], np.float32)
    watched = Watched()
    rows = Rows(watched, embodiments.get("vima"))
    for _ in range(2):
        rows.act(views, states, tasks=["Wipe the table."])
    rows.reset()
    rows.act(views, states, tasks=["Wipe it again."])
    assert [prompt for _, prompt, _ in watched.begun] == ["Wipe the table.", "Wipe it again."]
    rows.reset()
    with pytest.raises(UIO2Error, match="nobody says what is to be done"):
        rows.act(views, states)
    with pytest.raises(UIO2Error, match=r"2 numbers \(suction, spatula\); the observation has \(7,\)"):
        rows.act(views, np.zeros((1, 7)), tasks=["Go."])
    other = carried(_info(0) | {"embodiment": "navigation"})[None]
    with pytest.raises(UIO2Error, match="acts as 'vima', and the episode's body is 'navigation'"):
        rows.act(views, states, told=other)


@pytest.mark.parametrize(("suite", "task"), [("habitat", "PointNav"), ("procthor", "PickAndPlace")])
def test_pictures_and_a_state_are_observed_again(suite: str, task: str) -> None:
    env = envs.suite(suite).make(task, size=48)
    env.observation_space.seed(5)
    observation = env.observation_space.sample()
    env.close()
    body = embodiments.get(envs.suite(suite).embodiment_of(task))
    views, state = body.views(observation), body.state(observation, {})
    again, info = body.observed(views, state)
    assert np.array_equal(body.state(again, info), state) and state.any()
    seen = body.views(again)
    assert seen.keys() == views.keys() == {"front", "depth", "map"}
    assert all(np.array_equal(seen[camera], views[camera]) for camera in views)


def test_bytes_that_carry_no_episode_are_refused() -> None:
    assert read_carried(carried(_info(4)))["seed"] == 4
    good = carried(_info(4))
    for damaged in (
        np.zeros(100),
        good[:40],
        np.frombuffer(json.dumps({"prompt": 1}).encode(), np.uint8),
        np.frombuffer(b"[]", np.uint8),
        np.frombuffer(_shows("aGVsbG8="), np.uint8),
    ):
        with pytest.raises(UIO2Error, match="these bytes carry no episode"):
            read_carried(damaged)
    with pytest.raises(UIO2Error, match=r"more than 64: .*smaller pictures"):
        carried(_info(4), size=64)


def _shows(picture: str) -> bytes:
    asset = {"placeholder_type": "object", "obj_info": {}, "rgb": {"top": picture}}
    return json.dumps(_info(0) | {"prompt_assets": {"thing": asset}}).encode()


def _info(seed: int) -> dict[str, Any]:
    return {"prompt": f"Go {seed}.", "prompt_assets": {}, "task": "go", "seed": seed, "embodiment": "vima"}
