"""A mixture's file to samples: what is asked, what is refused, and the command that trains on it."""

from pathlib import Path

import numpy as np
import pytest

from pretrain.errors import TrainingError
from pretrain.mixture_samples import RECIPES, MixtureSamples, read_recipe
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


def samples(recipe: Path, share: float = 1.0) -> MixtureSamples:
    return MixtureSamples(read_recipe(str(recipe)), MODEL, seed=3, held_back=0.1, patch_share=share)


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


def test_at_most_a_share_of_the_patches_enters(recipe: Path) -> None:
    """Other patches for each sample: one fixed half would never be seen."""
    masks, stream = [], samples(recipe, 0.5)
    for number in range(40):
        sample = stream[number][0]
        if sample.request.image is not None:
            assert sample.hidden.image.mean() >= 0.5
            masks.append(sample.hidden.image)
    assert len(masks) > 6 and not np.all(masks, axis=0).any()


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
