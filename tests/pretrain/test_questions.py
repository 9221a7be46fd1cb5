"""Trajectories as training examples: the next state, the next view, what the episode was for."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from policies import embodiments
from policies.embodiments.navigation import ACTIONS, NAVIGATION, place_text
from policies.questions import VERDICTS
from policies.style import PromptStyle
from pretrain.errors import TrainingError
from pretrain.examples import (
    ExampleOptions,
    caption_example,
    make_example,
    next_state_example,
    next_view_example,
)
from pretrain.settings import ADDED, SETTINGS
from pretrain.trainer import Run, train
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
        states=np.array([[step, 2 * step, *[0] * 7] for step in range(length)], np.float32),
        frames={"front": [picture(step) for step in range(length)]},
        final={"front": picture(length)},
        action_texts=["move ahead"] * (length - 1) + ["stop"],
        expert_texts=[""] * length,
        objects=[[]] * length,
        final_objects=[],
        success=True,
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


def test_a_goal_is_the_last_view_and_is_not_in_the_question() -> None:
    """Of an episode that failed, the last view is no goal: its plan is asked for."""
    walk, rng = _walk(), np.random.default_rng(0)
    example = make_example(walk, "goal", {"navigation": STYLE}, ExampleOptions(), rng)
    assert example.target.text is None and (example.target.image == 5).all()
    shown = [example.request.image, *example.request.image_history]
    assert (shown[0] == 0).all() and not any(np.array_equal(each, example.target.image) for each in shown)
    assert "Find the mug." in example.request.text
    walk.success = False
    assert make_example(walk, "goal", {"navigation": STYLE}, ExampleOptions(), rng).target in (
        "move ahead",
        "stop",
    )


@pytest.mark.parametrize("kind", ["plan", "goal"])
def test_words_without_another_colour_leave_a_question_as_it_is(kind: str) -> None:
    thing = {"name": "chair", "texture": "wooden", "position": [0, 0, 0], "boxes": {}}
    for prompt, changes in (("Find the wooden chair.", False), ("Find the red and green chair.", True)):
        walk, options = _walk(), ExampleOptions(recolour_share=1.0)
        walk.prompt, walk.objects = prompt, [[thing]] * walk.length
        walk.final = {"front": np.full((32, 32, 3), (1, 2, 3), np.uint8)}
        example = make_example(walk, kind, {"navigation": STYLE}, options, np.random.default_rng(0))
        assert (prompt in example.request.text) is not changes
        if kind == "goal":
            order = list(example.channels) if changes else [0, 1, 2]
            assert example.target.image[0, 0].tolist() == [1 + channel for channel in order]


def test_half_of_the_judged_actions_are_wrong_and_the_verdict_says_which() -> None:
    verdicts = []
    for seed in range(200):
        walk, due = _walk(1), ACTIONS[seed % len(ACTIONS)]
        walk.action_texts = [due]
        rng = np.random.default_rng(seed)
        example = make_example(walk, "judge", {"navigation": STYLE}, ExampleOptions(), rng)
        (proposed,) = (action for action in ACTIONS if action in example.request.text)
        assert (proposed == due) == (example.target == "yes")
        verdicts.append(example.target)
    assert set(verdicts) == {"yes", "no"} and 70 < verdicts.count("yes") < 130


def test_a_body_without_words_for_its_state_is_asked_for_its_plan() -> None:
    record = _walk()
    record.embodiment, record.prompt = "vima", "Turn it."
    record.states = np.tile(np.array([1, 0], np.float32), (5, 1))
    record.frames = {camera: record.frames["front"] for camera in ("front", "top")}
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
    assert all(line["training/image"] > 1 for line in curves(train(asked)))
    asked = dataclasses.replace(config, **settings, caption_share=1.0, output=str(tmp_path / "captions"))
    assert "training/image" not in curves(train(asked))[0]
    asked = dataclasses.replace(config, **settings, goal_share=1.0, output=str(tmp_path / "goals"))
    assert all("training/image" in line for line in curves(train(asked)))
    for name in ("view_share", "goal_share"):
        with pytest.raises(TrainingError, match=rf"{name}=0.5 asks for pictures, which model=nano does not"):
            train(dataclasses.replace(config, **{name: 0.5}, output=str(tmp_path / "nano")))
    assert not (tmp_path / "nano" / "metrics.jsonl").exists()
    with pytest.raises(TrainingError, match=r"are 1.3 together"):
        dataclasses.replace(config, view_share=0.6, state_share=0.6)


def test_shares_of_questions_are_shares_of_batches(config, tmp_path) -> None:  # noqa: F811
    """Half of the batches of a run of nano ask for verdicts, and all of their answers are some."""
    shares = {"boxes_share": 0.0, "judge_share": 0.5, "eye_steps": 0, "steps": 40}
    run = Run(dataclasses.replace(config, **shares, output=str(tmp_path / "judged")))
    try:
        read, judged = run.model.processor.tokenizer.decode, 0
        for step in range(40):
            target = run.data[step][0].text_target
            answers = [
                read(row[counts][:-1].tolist())
                for row, counts in zip(target.targets, target.mask, strict=True)
            ]
            verdicts = {answer in VERDICTS for answer in answers}
            assert len(verdicts) == 1, "a batch asks one kind of question"
            judged += verdicts.pop()
        assert 10 <= judged <= 30
    finally:
        run.close()


def test_a_run_that_older_code_began_goes_on(config, tmp_path, monkeypatch) -> None:  # noqa: F811
    """Its state holds no shares that came later; they were 0 then, and are not to be changed."""
    older = [name for name in SETTINGS if name not in ADDED]
    begun = dataclasses.replace(config, output=str(tmp_path / "run"), stop_after=1e-9, save_every=1)
    with monkeypatch.context() as before:
        before.setattr("pretrain.trainer.SETTINGS", older)
        train(begun)
    run = Run(begun)
    run.close()
    assert run.step == 1
    with pytest.raises(TrainingError, match=r"other settings \(judge_share 0.0 -> 0.5\)"):
        Run(dataclasses.replace(begun, judge_share=0.5))


def curves(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
