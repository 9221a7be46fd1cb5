"""A mixture's file to samples: what is asked, what is refused, and the command that trains on it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from policies import embodiments
from pretrain.errors import TrainingError
from pretrain.mixture_batches import MixtureBatches
from pretrain.mixture_samples import MixtureSamples, read_recipe
from pretrain.mixture_table import read_table
from pretrain.packing import BestFitPacker, Limits
from pretrain.recipes import RECIPES
from rollouts.cli import main
from tests.pretrain.mixtures import toy_model
from tests.uio2_agent.tiny import full_model
from uio2_agent.errors import UIO2Error

RECIPE = """
data:
  texts: {path: generated, kind: text, examples: 200, rate: 1}
  shown: {path: generated, kind: image_text, examples: 200, rate: 1, ask: {image_text: {image_share: 1.0}}}
  named: {path: generated, kind: image_text, examples: 200, rate: 2, ask: {image_text: {image_share: 0.0}}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mixture.yaml"
    path.write_text(RECIPE)
    return path


MODEL = full_model(text_input_length=192, text_target_length=128)
WIDE = full_model(text_input_length=512, text_target_length=512)


def samples(recipe: Path) -> MixtureSamples:
    return MixtureSamples(read_recipe(str(recipe)), MODEL, seed=3, held_back=0.1)


def test_each_source_is_asked_what_the_file_says(recipe: Path) -> None:
    stream = samples(recipe)
    drawn = [stream[number][0] for number in range(40)]
    kinds = {(sample.source, sample.target.image is not None) for sample in drawn}
    assert kinds == {("texts", False), ("shown", True), ("named", False)}
    assert sum(sample.source == "named" for sample in drawn) in range(10, 31)


def test_a_sample_is_a_function_of_its_number(recipe: Path) -> None:
    one, two = samples(recipe), samples(recipe)
    for number in (7, 3, 7):
        a, b = one[number][0], two[number][0]
        assert np.array_equal(a.request.text, b.request.text) and a.source == b.source


def test_pictures_of_training_are_scaled_and_those_held_back_are_whole(recipe: Path, tmp_path: Path) -> None:
    scaled = tmp_path / "scaled.yaml"
    scaled.write_text(recipe.read_text() + "\nrandom_scale: {smallest: 1.2, largest: 1.2, covering: 0}\n")
    plain, cut = samples(recipe), samples(scaled)
    shown = [(plain[number][0], cut[number][0]) for number in range(30)]
    pictures = [(a.request.image, b.request.image) for a, b in shown if a.request.image is not None]
    assert pictures and {b.shape[:2] for _, b in pictures} == {(48, 96)}, "32 rows of the 64 it is scaled to"
    assert all(np.array_equal(a.source, b.source) for a, b in shown)
    held = [(a.request.image, b.request.image) for a, b in zip(plain.held(3), cut.held(3), strict=True)]
    assert held and all(a is b is None or np.array_equal(a, b) for a, b in held)
    assert plain.identities != cut.identities
    scaled.write_text(recipe.read_text() + "\nrandom_scale: {smalest: 1.2}\n")
    with pytest.raises(UIO2Error, match="smallest"):
        samples(scaled)


def batches_of(stream: MixtureSamples, share: float) -> MixtureBatches:
    packer = BestFitPacker(Limits(2000, 2000))
    return MixtureBatches(stream, MODEL.processor, packer, 40, patch_share=share, seed=3)


def test_at_most_a_share_of_the_patches_enters(recipe: Path) -> None:
    """Other patches for each sample: one fixed half would never be seen. The same in any portion."""
    stream, half = samples(recipe), math.prod(MODEL.config.image_grid) // 2
    all_of_it, whole = (batches_of(stream, share)[0][0].batch.image for share in (1.0, 0.5))
    there, shown = all_of_it.mask.sum(1), whole.mask.sum(1)
    assert torch.equal(shown, there.clamp(max=half)) and (shown > 0).sum() > 6
    assert set(whole.positions[whole.mask].tolist()) == set(all_of_it.positions[all_of_it.mask].tolist())
    numbers = range(7, 12)
    part = batches_of(stream, 0.5).portion([stream[number][0] for number in numbers], numbers).batch.image
    length = part.mask.shape[1]
    assert torch.equal(part.mask, whole.mask[7:12, :length])
    assert torch.equal(part.positions[part.mask], whole.positions[7:12, :length][part.mask])


def test_collected_episodes_are_asked_what_bodies_ask(tmp_path: Path) -> None:
    words = ["collect", "env=vima", "policy=oracle", "task=rotate", "episodes=2"]
    assert main([*words, f"output={tmp_path / 'set'}"]) == 0
    path, others = tmp_path / "mixture.yaml", "next_view: 0, goal_view: 0, caption: 0, judge: 0"
    ask = f"{{trajectory: {{{others}}}}}"
    path.write_text(f"data: {{turns: {{path: {tmp_path / 'set'}, kind: trajectory, rate: 1, ask: {ask}}}}}")
    styles = {"vima": embodiments.get("vima").style(small=True)}
    stream = MixtureSamples(read_recipe(str(path)), MODEL, seed=3, styles=styles)
    sample = stream[0][0]
    assert sample.target.text.startswith("0: pick from") and "suction pick and place" in sample.request.text


def test_held_back_samples_are_never_drawn(recipe: Path) -> None:
    stream = samples(recipe)
    held = {(s.source, str(s.request.text), str(s.target.text)) for s in stream.held(5)}
    drawn = {(s.source, str(s.request.text), str(s.target.text)) for s, _ in (stream[n] for n in range(80))}
    assert len(held) > 5 and not held & drawn


def test_what_ships_can_be_read() -> None:
    for path in RECIPES.glob("*.yaml"):
        assert read_recipe(path.stem).data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: [1]", "it needs data: with an entry"),
        ("dat: {}", "it needs data:"),
        ("{data: {a: {path: generated, kind: text}}, tabel: x}", "tabel is unknown"),
        ("data: {a: {path: generated, kind: text, ask: {txet: {}}}}", "no sample builder 'txet'"),
        ("data: {a: {path: generated, kind: text, ask: {text: {late: 1}}}}", "late"),
        ("a: [", "is no yaml"),
    ],
)
def test_a_file_that_is_no_mixture_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UIO2Error, match=said):
        read_recipe(str(tmp_path / "x.yaml"))


def test_an_unknown_mixture_says_which_there_are() -> None:
    with pytest.raises(TrainingError, match=r"mixture=genrated is no file.*did you mean 'generated'"):
        read_recipe("genrated")


def test_the_command_trains_goes_on_and_says_what_is_wrong(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", f"mixture={recipe}", f"model={toy_model(tmp_path / 'model')}", "batch_size=4"]
    words += [f"output={tmp_path / 'out'}", "workers=0", "threads=1", "device=cpu", "validation_examples=1"]
    assert main([*words, "steps=1", "held_back=0.1"]) == 0
    assert list((tmp_path / "out/tensorboard").iterdir()) and (tmp_path / "out/config.yaml").exists()
    for word, said in (
        ("steps=2", "other settings (steps 1 -> 2)"),
        ("without=norm", "without=norm names no part of the method"),
        ("optimizer=adam", "there is no optimizer 'adam' (did you mean 'adamw'?)"),
        ("wandb=x", "needs the wandb package"),
        ("batch_size=0", "batch_size must be at least 1"),
    ):
        capsys.readouterr()
        assert main([*words, "held_back=0.1", "steps=1", word]) == 2
        assert said in capsys.readouterr().err


def test_every_task_of_the_generated_tuning_is_asked() -> None:
    """Every task of the paper's table but those of bodies, whose episodes are collected."""
    recipe, tasks = read_recipe("generated_tuning"), read_table("instruction_tuning").sets
    asked = {entry.get("set", name) for name, entry in recipe.data.items()}
    assert asked == {name for name, task in tasks.items() if task.kind != "trajectory"}
    stream = MixtureSamples(recipe, WIDE, seed=1, held_back=0.05)
    held = stream.held(1)
    assert {sample.source for sample in held} == set(recipe.data) and len(held) == len(recipe.data)
    answers = {"image": "ID", "audio": "A", "text": "TS"}
    for sample in held:
        task = tasks[recipe.data[sample.source].get("set", sample.source)]
        (answer,) = (kind for kind in answers if getattr(sample.target, kind) is not None)
        assert set(task.targets) & set(answers[answer]), f"{sample.source} answers with {answer}"
    assert [stream[number][0].source for number in range(5)] == [
        stream[number][0].source for number in range(5)
    ]
