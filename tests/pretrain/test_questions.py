"""Trajectories as training examples: the next state, the next view, what the episode was for."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from policies import embodiments
from policies.embodiments.navigation import NAVIGATION, place_text
from policies.style import PromptStyle
from pretrain.errors import TrainingError
from pretrain.examples import (
    ExampleOptions,
    caption_example,
    make_example,
    next_state_example,
    next_view_example,
)
from pretrain.trainer import train
from tests.pretrain.test_train import config  # noqa: F401 - a fixture
from tests.uio2_agent.tiny import full_model

STYLE = PromptStyle(views=("front",), told_steps=4, max_history=3).fitted(NAVIGATION.cameras)


def _walk(length: int = 5) -> SimpleNamespace:
    """A walk whose view shows the number of its step."""

    def picture(number: int) -> np.ndarray:
        return np.full((32, 32, 3), number, np.uint8)

    return SimpleNamespace(
        task="ObjectNav",
        embodiment="navigation",
        prompt="Find the mug.",
        prompt_assets={},
        length=length,
        states=np.array([[step, 2 * step, 0, 0, 0, 0] for step in range(length)], np.float32),
        frames={"front": [picture(step) for step in range(length)]},
        final={"front": picture(length)},
        action_texts=["move ahead"] * (length - 1) + ["stop"],
        expert_texts=[""] * length,
        objects=[[]] * length,
    )


@pytest.mark.parametrize("step", range(4))
def test_the_next_state_is_the_answer_and_not_in_the_question(step: int) -> None:
    walk = _walk()
    example = next_state_example(walk, step, NAVIGATION, STYLE)
    assert example.target == place_text(walk.states[step + 1])
    assert example.target not in example.request.text
    assert place_text(walk.states[step]) in example.request.text and "move ahead" in example.request.text
    assert example.request.image[0, 0, 0] == step and not example.request.image_history


@pytest.mark.parametrize("step", range(5))
def test_the_next_view_is_the_answer_and_not_in_the_question(step: int) -> None:
    walk = _walk()
    example = next_view_example(walk, step, NAVIGATION, STYLE)
    assert example.target.text is None and (example.target.image == step + 1).all()
    assert (example.request.image == step).all() and walk.action_texts[step] in example.request.text


def test_a_caption_is_the_instruction_of_the_latest_views() -> None:
    example = caption_example(_walk(), NAVIGATION, STYLE)
    assert example.target == "Find the mug." and "mug" not in example.request.text
    assert [int(picture[0, 0, 0]) for picture in example.request.image_history] == [0, 2, 4]
    assert example.request.image[0, 0, 0] == 5
    marks = [example.request.text.index(f"<image_history_{j}>") for j in (1, 2, 3)]
    assert marks == sorted(marks) and example.request.text.count("<image_input>") == 1
    alone = caption_example(_walk(), NAVIGATION, dataclasses.replace(STYLE, max_history=0))
    assert not alone.request.image_history and "<image_history" not in alone.request.text


def test_a_body_without_words_for_its_state_is_asked_for_its_plan() -> None:
    record = _walk()
    record.embodiment, record.prompt = "vima", "Turn it."
    record.states = np.tile(np.array([1, 0], np.float32), (5, 1))
    record.frames = {"top": record.frames["front"]}
    record.action_texts = [VIMA_STEP] * 5
    styles = {"vima": embodiments.get("vima").style(small=True)}
    example = make_example(record, "state", styles, ExampleOptions(), np.random.default_rng(0))
    assert example.target.startswith(("0: pick", "1: pick", "2: pick", "3: pick", "4: pick"))


_SPOT = "( <extra_id_300> <extra_id_300> <extra_id_300> )"
VIMA_STEP = f"0: pick from {_SPOT} and place to {_SPOT}"


def test_every_question_can_be_trained(config, tmp_path) -> None:  # noqa: F811
    """A model that answers with pictures learns views; one that does not says so; shares are shares."""
    full_model(text_input_length=160, text_target_length=96).save_pretrained(tmp_path / "tiny")
    settings = {"model": str(tmp_path / "tiny"), "steps": 2, "eye_steps": 0, "boxes_share": 0.0}
    settings["style"] = {"max_history": 3}
    asked = dataclasses.replace(config, **settings, view_share=1.0, output=str(tmp_path / "views"))
    directory = train(asked)
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert all(line["training/image"] > 1 for line in lines)
    asked = dataclasses.replace(config, **settings, caption_share=1.0, output=str(tmp_path / "captions"))
    directory = train(asked)
    assert "training/image" not in json.loads((directory / "metrics.jsonl").read_text().splitlines()[0])
    with pytest.raises(TrainingError, match=r"view_share=0.5 asks for pictures"):
        train(dataclasses.replace(config, view_share=0.5, output=str(tmp_path / "nano")))
    with pytest.raises(TrainingError, match=r"are 1.3 together"):
        dataclasses.replace(config, view_share=0.6, state_share=0.6)
