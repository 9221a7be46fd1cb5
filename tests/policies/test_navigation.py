"""The body that walks: its actions as text and back, what it tells of where it is, and one step at a time."""

import math

import numpy as np
import pytest

from envs.house.tasks.navigation import ACTIONS as ENVIRONMENT
from policies import embodiments
from policies.embodiments.navigation import ACTIONS, NAVIGATION, REACH_M, goal_text, place_text
from policies.moment import Moment
from pretrain.examples import plan_example
from uio2_agent.errors import UIO2Error
from uio2_agent.text.vocabulary import LOCATIONS, SENTINELS

STATE = np.zeros(6, np.float32)


def test_the_body_and_the_environment_mean_the_same_actions() -> None:
    assert ENVIRONMENT == ACTIONS and embodiments.get("navigation") is NAVIGATION


@pytest.mark.parametrize("action", range(len(ACTIONS)))
def test_actions_are_read_back_as_written(action: int) -> None:
    text = NAVIGATION.action_text(action, STATE, 3)
    assert text == f"3: {ACTIONS[action]}"
    (step,) = NAVIGATION.parse(f"so {text}")
    assert (step.number, step.action, step.bins) == (3, action, ())
    assert NAVIGATION.action(NAVIGATION.vector(action)) == action


@pytest.mark.parametrize("action", [-1, 6, 1.5, "stop", None])
def test_impossible_actions(action: object) -> None:
    with pytest.raises(UIO2Error, match="move ahead"):
        NAVIGATION.checked(action)


def _bins(text: str) -> list[int]:
    return [int(word[len("<extra_id_") : -1]) - SENTINELS for word in text.split()[1:-1]]


def test_places_are_told_in_bins() -> None:
    top = LOCATIONS - 1
    assert _bins(place_text(STATE)) == [top // 2, top // 2, top // 2]  # 20 metres either way, and half a turn
    there = np.array([REACH_M, -REACH_M, math.pi / 2, 0, 0, 0], np.float32)
    assert _bins(place_text(there)) == [top, 0, math.floor(0.75 * top)]
    goal = np.array([0, 0, 0, 0, 10, math.pi / 2], np.float32)  # ten metres to the left
    assert _bins(goal_text(goal)) == [math.floor(0.25 * top), top // 2]
    assert goal_text(STATE) == ""


def test_one_step_is_learned_at_a_time() -> None:
    now = Moment(
        task="ObjectNav",
        prompt="Find the mug.",
        prompt_assets={},
        state=STATE,
        views={"front": np.zeros((32, 32, 3), np.uint8)},
        executed=["turn left"],
        remaining=["move ahead", "move ahead", "stop"],
    )
    example = plan_example(now, NAVIGATION, NAVIGATION.style(small=True))
    assert example.target == "1: move ahead"
    assert example.request.text.startswith("Find the mug.") and "0: turn left" in example.request.text
