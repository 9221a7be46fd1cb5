"""The body with a hand: its actions as text and back, and what its hand allows."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from envs.house.tasks.household import ACTIONS as ENVIRONMENT
from policies import embodiments
from policies.embodiments.household import ACTIONS, HOUSEHOLD, POINTED
from policies.embodiments.navigation import NAVIGATION
from uio2_agent.errors import UIO2Error
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import LOCATIONS, SENTINELS

EMPTY, FULL = np.zeros(10, np.float32), np.array([*np.zeros(9), 1], np.float32)


def test_the_body_and_the_environment_mean_the_same_actions() -> None:
    assert ENVIRONMENT == ACTIONS and embodiments.get("household") is HOUSEHOLD
    assert ACTIONS[: len(NAVIGATION.actions)] == NAVIGATION.actions


@pytest.mark.parametrize("number", range(len(ACTIONS)))
def test_actions_are_read_back_as_written(number: int) -> None:
    action = {"action": number, "point": np.array([0.25, 0.8], np.float32)}
    text = HOUSEHOLD.action_text(action, FULL, 3)
    (step,) = HOUSEHOLD.parse(f"so {text} then")
    assert step.action["action"] == number and step.text == text
    if ACTIONS[number] in POINTED:
        assert text == f"{ACTIONS[number]} ( <extra_id_{SENTINELS + 249}> <extra_id_{SENTINELS + 799}> )"
        assert np.abs(step.action["point"] - action["point"]).max() <= 1 / (LOCATIONS - 1)
    else:
        assert text == NAVIGATION.action_text(number, FULL) and step.bins == ()
    again = HOUSEHOLD.action(HOUSEHOLD.vector(HOUSEHOLD.checked(action)))
    assert again["action"] == number and np.array_equal(again["point"], action["point"])


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (3, "pick up"),
        ({"action": 3}, "across, down"),
        ({"action": 10, "point": (0.5, 0.5)}, "close"),
        ({"action": 6, "point": (0.5, 1.5)}, "from 0 to 1"),
        ({"action": 6, "point": (0.5, float("nan"))}, "from 0 to 1"),
        ({"action": 6, "point": "here"}, "from 0 to 1"),
    ],
)
def test_impossible_actions(action: object, said: str) -> None:
    with pytest.raises(UIO2Error, match=said):
        HOUSEHOLD.checked(action)


@pytest.mark.parametrize(("state", "can", "cannot"), [(EMPTY, "pick up", "put"), (FULL, "put", "pick up")])
def test_the_hand_decides_what_can_be_said(state: np.ndarray, can: str, cannot: str) -> None:
    tokenizer = TextTokenizer.packaged()

    def say(word: str) -> bool:
        action = {"action": ACTIONS.index(word), "point": np.array([0.1, 0.9], np.float32)}
        at = HOUSEHOLD.grammar(tokenizer, state).start()
        for token in [*tokenizer.encode(HOUSEHOLD.action_text(action, state)), tokenizer.vocabulary.eos]:
            at = at.advance(token)
        return at.done

    assert say(can) and say("open") and say("close") and say("move ahead") and say("stop")
    with pytest.raises(UIO2Error, match="cannot come next"):
        say(cannot)
    rng = np.random.default_rng(0)
    drawn = [HOUSEHOLD.random_action(state, rng) for _ in range(300)]
    assert {ACTIONS[each["action"]] for each in drawn} == set(HOUSEHOLD.kinds(state))
    points = [each["point"] for each in drawn if ACTIONS[each["action"]] in POINTED]
    assert np.ptp(points, 0).min() > 0.9
    stops = [each for each in drawn if ACTIONS[each["action"]] == "stop"]
    idle = HOUSEHOLD.vector(HOUSEHOLD.idle_action(state))  # which whoever draws noise leaves out
    assert all(np.array_equal(HOUSEHOLD.vector(each), idle) for each in stops)


def test_the_state_tells_of_the_hand() -> None:
    pose = np.array([1, 2, 0.5, 0], np.float32)
    observation = {"pose": pose, "holding": np.ones(1, np.float32)}
    state = HOUSEHOLD.state(observation, {})
    assert state.tolist() == [*pose.tolist(), 0, 0, 0, 0, 0, 1] and len(state) == len(HOUSEHOLD.state_names)
    words = [HOUSEHOLD.words(each, HOUSEHOLD.style(small=True))["hand"] for each in (EMPTY, FULL)]
    assert words[0] != words[1]


def test_what_people_see() -> None:
    action = {"action": ACTIONS.index("put"), "point": np.array([0.5, 0.25], np.float32)}
    assert HOUSEHOLD.describe(action, FULL) == "put at 50 %, 25 %"
    picture = Image.new("RGB", (200, 200))
    HOUSEHOLD.draw(ImageDraw.Draw(picture, "RGBA"), "front", (200, 200), action, FULL)
    rows, columns, _ = np.nonzero(np.asarray(picture)[40:61, 90:111])
    assert len(rows) and abs(np.mean(rows) - 10) < 2 and abs(np.mean(columns) - 10) < 3
    HOUSEHOLD.draw(ImageDraw.Draw(picture, "RGBA"), "depth", (200, 200), {**action, "action": 1}, FULL)


def test_every_action_has_a_key() -> None:
    keys = HOUSEHOLD.controls(EMPTY).keys
    assert sorted(key.action["action"] for key in keys) == list(range(len(ACTIONS)))
    names = [name for key in keys for name in key.names]
    assert len(set(names)) == len(names)
