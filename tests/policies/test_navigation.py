"""The body that walks: its actions as text and back, what it tells of where it is, and one step at a time."""

import dataclasses
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from envs.house.tasks.body import ACTIONS as ENVIRONMENT
from policies import embodiments
from policies.base import Step
from policies.embodiments.household import HOUSEHOLD
from policies.embodiments.navigation import ACTIONS, NAVIGATION, REACH_M, goal_text, place_text, way_text
from policies.embodiments.vima import VIMA
from policies.moment import Moment
from policies.style import PromptStyle
from policies.unified_io2 import UnifiedIO2Policy
from pretrain.examples import plan_example
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Answer
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import LOCATIONS, SENTINELS

STATE = np.zeros(9, np.float32)


def _state(*values: float) -> np.ndarray:
    """A state that begins so, zeros after."""
    return np.array([*values, *STATE[len(values) :]], np.float32)


def test_the_body_and_the_environment_mean_the_same_actions() -> None:
    assert ENVIRONMENT == ACTIONS and embodiments.get("navigation") is NAVIGATION


@pytest.mark.parametrize("action", range(len(ACTIONS)))
def test_actions_are_read_back_as_written(action: int) -> None:
    text = NAVIGATION.action_text(action, STATE, 3)
    assert text == ACTIONS[action]
    (step,) = NAVIGATION.parse(f"so {text}")
    assert (step.number, step.action, step.bins) == (None, action, ())
    assert NAVIGATION.action(NAVIGATION.vector(action)) == action


@pytest.mark.parametrize("action", [-1, 6, 1.5, "stop", None])
def test_impossible_actions(action: object) -> None:
    with pytest.raises(UIO2Error, match="move ahead"):
        NAVIGATION.checked(action)


def _bins(text: str) -> list[int]:
    return [int(number) - SENTINELS for number in re.findall(r"<extra_id_(\d+)>", text)]


def test_places_are_told_in_bins() -> None:
    top = LOCATIONS - 1
    assert _bins(place_text(STATE)) == [top // 2, top // 2, top // 2]  # 20 metres either way, and half a turn
    there = _state(REACH_M, -REACH_M, math.pi / 2)
    assert _bins(place_text(there)) == [top, 0, math.floor(0.75 * top)]
    goal = _state(0, 0, 0, 0, 10, math.pi / 2)  # ten metres to the left
    assert _bins(goal_text(goal)) == [math.floor(0.25 * top), top // 2]
    assert goal_text(STATE) == way_text(STATE) == ""
    way = _state(0, 0, 0, 0, 0, 0, 10, -math.pi / 2, 1)  # ten metres to the right
    assert _bins(way_text(way)) == [math.floor(0.75 * top), math.floor(0.25 * top)]
    assert way_text(way).endswith("in sight")


def test_one_step_is_learned_at_a_time() -> None:
    now = Moment(
        task="ObjectNav",
        prompt="Find the mug.",
        prompt_assets={},
        state=STATE,
        views={"map": np.zeros((32, 32, 3), np.uint8)},
        executed=["turn left"],
        remaining=["move ahead", "move ahead", "stop"],
    )
    example = plan_example(now, NAVIGATION, NAVIGATION.style(small=True))
    assert example.target == "move ahead"
    assert example.request.text.startswith("Find the mug.") and "turn left" in example.request.text


def test_a_mirror_turns_all_that_tells_left_from_right() -> None:
    """In the mirror the goal is told on the other side, and the body that acts there ends as far from it."""
    state = _state(1, 2, 0.5, 0, 3, 0.8, 2, -0.4, 1)  # the goal is 3 m away, to the left
    picture = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    thing = {"name": "mug", "position": [-0.4, 2.0, 1.0], "boxes": {"front": [3, 0, 9, 4]}}
    now = Moment(
        task="PointNav",
        prompt="Go to the goal.",
        prompt_assets={},
        state=state,
        views={"front": picture, "map": picture},
        executed=["turn right", "move ahead"],
        past_states=[state, state],
        remaining=["turn left", "look up", "stop"],
        objects=[thing],
    )
    mirrored = NAVIGATION.changed(now, [True], ("front", "map"))
    assert mirrored.remaining == ["turn right", "look up", "stop"]
    assert mirrored.executed == ["turn left", "move ahead"]
    np.testing.assert_array_equal(mirrored.views["map"], np.flip(picture, 1))
    assert mirrored.objects[0]["boxes"]["front"] == [3, 27, 9, 31]
    right, ahead = _goal_from_start(now.state)
    assert _goal_from_start(mirrored.state) == pytest.approx((-right, ahead), abs=1e-5)
    assert mirrored.state[6:].tolist() == pytest.approx([2, 0.4, 1])
    twice = NAVIGATION.changed(mirrored, [True], ("front", "map"))
    np.testing.assert_array_equal(twice.state, state)
    assert (twice.remaining, twice.executed, twice.objects) == (now.remaining, now.executed, [thing])
    assert NAVIGATION.changed(now, [False], ("front",)) is now


def _goal_from_start(state: np.ndarray) -> tuple[float, float]:
    """Where a state says that the goal is, metres to the right of and ahead of where the body began."""
    x, z, yaw, _, far, left = (float(value) for value in state[:6])
    return x + far * math.sin(yaw - left), z + far * math.cos(yaw - left)


def test_what_was_done_is_told_with_where_it_was_and_what_was_seen() -> None:
    states = [_state(step) for step in range(6)]
    views = [{"front": np.full((32, 32, 3), step, np.uint8)} for step in range(6)]
    now = Moment(
        task="ObjectNav",
        prompt="Find the mug.",
        prompt_assets={},
        state=_state(6),
        views={"front": np.full((32, 32, 3), 6, np.uint8)},
        executed=["move ahead"] * 5 + ["turn left"],
        past_states=states,
        past_views=views[-4:],
    )
    style = PromptStyle(views=("front",), told_steps=4, told_views=2)
    request = NAVIGATION.request(now, style)
    told = [place_text(state) for state in states]
    line = (
        f"{told[2]} move ahead {told[3]} move ahead "
        f"<image_history_1> {told[4]} move ahead <image_history_2> {told[5]} turn left"
    )
    assert line in request.text and told[1] not in request.text
    assert [picture[0, 0, 0] for picture in request.image_history] == [4, 5]
    assert request.image[0, 0, 0] == 6


def test_depth_is_a_picture() -> None:
    observation = {
        "rgb": {"front": np.zeros((3, 2, 2), np.uint8)},
        "depth": {"front": np.array([[0.0, 1.0], [5.0, 100.0]], np.float32)},
    }
    assert NAVIGATION.views(observation)["depth"][..., 0].tolist() == [[0, 26], [128, 255]]


def test_things_in_sight_have_boxes() -> None:
    observation = {
        "rgb": {"front": np.zeros((3, 4, 4), np.uint8)},
        "segm": {"front": np.array([[-1, 7, 7, -1], [-1, 7, 0, 0], [-1] * 4, [-1] * 4], np.int32)},
    }
    things = [{"id": 7, "name": "a", "type": "AlarmClock", "position": [1.0, 2.0, 0.5]}]
    (seen,) = NAVIGATION.objects(observation, {"objects": things})
    assert seen["name"] == "alarm clock" and seen["boxes"]["front"] == [0, 1, 1, 2]
    assert NAVIGATION.object_bins([seen]).tolist() == [[math.floor(0.525 * 999), math.floor(0.55 * 999)]]


def test_a_memory_that_doubles_reaches_far_back() -> None:
    states = [_state(step / 10) for step in range(40)]
    now = Moment(
        task="PointNav",
        prompt="Go to the goal.",
        prompt_assets={},
        state=_state(4),
        views={camera: np.zeros((32, 32, 3), np.uint8) for camera in ("front", "depth")},
        executed=["move ahead"] * 39 + ["turn left"],
        past_states=states,
    )
    style = PromptStyle(views=("front",), told_steps=6, told_spacing="doubling", wording="short")
    text = NAVIGATION.request(now, style).text
    told = " ".join(place_text(states[40 - ago]) for ago in (32, 16, 8, 4, 2, 1))
    assert f"{told} turn left" in text and "move ahead" not in text
    first = dataclasses.replace(now, executed=["stop"], past_states=states[:1])
    assert f"{place_text(states[0])} stop" in NAVIGATION.request(first, style).text


@pytest.mark.parametrize("body", [NAVIGATION, HOUSEHOLD], ids=lambda body: body.name)
def test_whatever_is_drawn_where_the_state_is_asked_too_is_a_place_and_an_action(body) -> None:
    """Under the grammar of `( X Z Y ) action` every answer parses, back to the very action and place."""
    tokenizer, rng = TextTokenizer.packaged(), np.random.default_rng(3)
    state = np.zeros(len(body.state_names), np.float32)
    built, seen = body.grammar(tokenizer, state, answer="state_action"), set()
    for _ in range(60):
        at, ids = built.start(), []
        while not at.done:
            for token in list(at.forced()) or [int(rng.choice(at.choices()))]:
                at = at.advance(token)
                ids.append(token)
        text = tokenizer.decode(ids)
        (step,) = body.parse(text)
        seen.add(step.kind)
        place, action = text.split(" ) ", 1)
        assert action == step.text == body.action_text(step.action, state)
        assert list(step.after) == _bins(f"{place} )") and len(step.after) == 3
        assert tokenizer.encode(text) == ids[:-1]
    assert seen == set(body.kinds(state))
    (plain,) = body.parse(body.action_text(body.idle_action(state), state))
    assert plain.after == ()


def test_the_place_that_is_asked_for_is_the_next_one() -> None:
    style = dataclasses.replace(NAVIGATION.style(), answer="state_action")
    after = _state(1, 2, 0.5)
    now = Moment(
        task="PointNav",
        prompt="Go to the goal.",
        prompt_assets={},
        state=STATE,
        views={"front": np.zeros((32, 32, 3), np.uint8)},
        remaining=["move ahead", "stop"],
        next_state=after,
    )
    example = plan_example(now, NAVIGATION, style)
    assert example.target == f"{place_text(after)} move ahead"
    assert place_text(after) not in example.request.text and "( x z y )" in example.request.text
    unknown = plan_example(dataclasses.replace(now, next_state=None), NAVIGATION, style)
    assert unknown.target == "move ahead" and "( x z y )" not in unknown.request.text
    with pytest.raises(UIO2Error, match="no words for that: use answer='action'"):
        VIMA.wordings(dataclasses.replace(VIMA.style(), answer="state_action"))


def test_a_policy_taught_the_state_too_acts() -> None:
    """The policy asks for the state too, decodes under its grammar and takes the action behind the place."""

    class Model:
        processor = SimpleNamespace(tokenizer=TextTokenizer.packaged())

        def generate(self, requests, grammar, **options):
            self.asked, answers = requests, []
            for state in (each.start() for each in grammar):
                rng, ids = np.random.default_rng(len(answers)), []
                while not state.done:
                    for token in list(state.forced()) or [int(rng.choice(state.choices()))]:
                        state = state.advance(token)
                        ids.append(token)
                answers.append(Answer(text=self.processor.tokenizer.decode(ids)))
            return answers

    model = Model()
    style = PromptStyle(views=("front",), wording="short", answer="state_action")
    policy = UnifiedIO2Policy(model, style=style)
    observation = {
        "rgb": {"front": np.zeros((3, 8, 8), np.uint8)},
        "pose": np.zeros(4, np.float32),
    }
    info = {"embodiment": "navigation", "prompt": "Find the mug.", "prompt_assets": {}, "seed": 1}
    policy.reset(0, observation, info)
    for _ in range(3):
        (action,) = policy.act([Step(0, observation, info)])
        assert model.asked[0].text.endswith(" where")
        place, words = policy.answer(0).text.split(" ) ")
        assert words == ACTIONS[action] == policy.action_text(0) and place.startswith("( <extra_id_")
