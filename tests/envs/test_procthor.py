"""ProcTHOR's ObjectNav in the embedded house."""

from pathlib import Path

import numpy as np
import pytest

from envs import EnvError, suite
from envs.contract import check, passed
from envs.house.generator import generate_house
from envs.house.tasks.body import ACTIONS, AHEAD, LEFT, RIGHT, STOP
from envs.procthor.targets import TARGETS, words


def test_the_contract() -> None:
    rows = check("procthor", tasks="ObjectNav", options={"size": 64}, seeds=(0,))
    assert passed(rows), [row for row in rows if row.verdict == "off"]


def test_words() -> None:
    assert [words(target) for target in ("AlarmClock", "BasketBall", "SprayBottle")] == [
        "alarm clock",
        "basketball",
        "spray bottle",
    ]
    assert len(TARGETS) == 16


def test_the_expert_finds_what_it_is_sent_for() -> None:
    solved, spl = 0, []
    for level, seeds in (("small", range(3)), ("medium", range(3))):
        env = suite("procthor").make("ObjectNav", level, expert=True, size=32)
        for seed in seeds:
            _, info = env.reset(seed=seed)
            shortest, walked = info["metrics"]["distance_to_goal"], 0.0
            while "expert_action" in info:
                before = info["metrics"]["path_length"]
                _, reward, terminated, _, info = env.step(info["expert_action"])
                walked += info["metrics"]["path_length"] - before
            solved += info["success"]
            assert reward == float(info["success"]) and terminated
            assert info["metrics"]["spl"] == pytest.approx(info["success"] * shortest / max(shortest, walked))
            spl.append(info["metrics"]["spl"])
        env.close()
    assert solved == 6 and np.mean(spl) > 0.7


def test_the_expert_steps_aside_where_nothing_comes_into_view() -> None:
    """Its way ends between cells, and from there the counter's edge hides the apple."""
    env = suite("procthor").make("ObjectNav", "small", expert=True, size=32, sensors=())
    _, info = env.reset(seed=5_000_088)
    while info.get("expert_action") is not None:
        _, _, _, _, info = env.step(info["expert_action"])
    assert info["success"] and info["metrics"]["spl"] > 0.9
    env.close()


def test_stopping_elsewhere_fails_and_turning_around_changes_nothing() -> None:
    env = suite("procthor").make("ObjectNav", "medium", size=32)
    observation, info = env.reset(seed=4)
    first = observation["rgb"]["front"]
    for _ in range(12):
        observation, *_ = env.step(LEFT)
    assert np.array_equal(observation["rgb"]["front"], first)
    assert np.allclose(observation["pose"][:2], 0)
    _, reward, terminated, truncated, info = env.step(STOP)
    assert terminated and not truncated and reward == 0 and info["failure"] and info["metrics"]["spl"] == 0
    with pytest.raises(EnvError, match="past the end"):
        env.step(AHEAD)


def test_pose_is_told_from_where_it_began() -> None:
    env = suite("procthor").make("ObjectNav", "medium", size=32)
    observation, _ = env.reset(seed=4)
    assert np.allclose(observation["pose"][:3], 0) and np.isclose(observation["pose"][3], -np.pi / 6)
    observation, *_ = env.step(RIGHT)
    assert np.isclose(observation["pose"][2], np.pi / 6)  # to the right is positive
    for action in (LEFT, AHEAD, AHEAD):
        observation, *_, info = env.step(action)
    assert (
        np.isclose(observation["pose"][1], info["metrics"]["path_length"])
        and abs(observation["pose"][0]) < 1e-6
    )


def test_houses_of_files(tmp_path: Path) -> None:
    import json

    for seed in range(2):
        (tmp_path / f"{seed}.json").write_text(json.dumps(generate_house(seed, "4-room").json))
    env = suite("procthor").make("ObjectNav", "medium", houses=str(tmp_path), size=32, target="Bed")
    _, info = env.reset(seed=0)
    assert info["target"] == "Bed" and info["prompt"] == "Find the bed."
    for houses, said in ((tmp_path / "none", "no such file"), (tmp_path, "none has 6 to")):
        with pytest.raises(EnvError, match=said):
            suite("procthor").make("ObjectNav", "large", houses=str(houses), size=32).reset(seed=0)


@pytest.mark.parametrize("action", [6, -1, 1.0, "walk", None, [0, 1], True, 10**400])
def test_impossible_actions(action: object) -> None:
    env = suite("procthor").make("ObjectNav", "small", size=32)
    env.reset(seed=0)
    with pytest.raises(EnvError, match=ACTIONS[1]):
        env.step(action)


def test_arguments() -> None:
    for options, said in (({"size": 8}, "32 to 1024"), ({"target": "Bad"}, "Bed"), ({"sise": 64}, "size")):
        with pytest.raises(EnvError, match=said):
            suite("procthor").make("ObjectNav", **options)
