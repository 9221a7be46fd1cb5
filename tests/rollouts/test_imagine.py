"""Goals that are drawn: scored by hand-made pictures, compared with the expert's, and gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import envs
from policies.embodiments import get
from policies.imagination import Imagination
from policies.prompts import scene
from policies.style import save_styles
from pretrain.initialization import start_model
from rollouts.errors import RolloutError
from rollouts.imagine import RESULT, ImagineConfig, imagine, picture_path
from rollouts.pages import imagination as page
from rollouts.results import goal_scores
from uio2_agent.errors import UIO2Error

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)


def table(*squares: tuple[int, int, tuple[float, float, float]]) -> np.ndarray:
    """A grey table of 50 cm by 1 m with squares of 5 cm at (row, column)."""
    picture = np.full((64, 128, 3), 0.3, np.float32)
    for row, column, colour in squares:
        picture[row - 3 : row + 3, column - 3 : column + 3] = colour
    return picture


def test_things_that_moved_count_where_they_should_be() -> None:
    first, real = table((20, 20, RED), (40, 90, BLUE)), table((20, 60, RED), (40, 90, BLUE))
    same = goal_scores.scores(real, real, first)
    assert (same["placed"], same["moved"], same["features"]) == (1, 1, 0) and same["psnr_db"] > 90
    copied = goal_scores.scores(first, real, first)
    assert (copied["placed"], copied["moved"]) == (0.5, 0)
    near = goal_scores.scores(table((22, 61, RED), (40, 90, BLUE)), real, first)
    assert (near["placed"], near["moved"]) == (1, 1) and copied["psnr_db"] < near["psnr_db"] < 40
    swapped = goal_scores.scores(table((20, 60, BLUE), (40, 90, RED)), real, first)
    assert (swapped["placed"], swapped["moved"]) == (0, 0)
    blank = goal_scores.scores(table(), real, first)
    assert (blank["placed"], blank["moved"]) == (0, 0)
    noise = np.random.default_rng(0).random((64, 128, 3)).astype(np.float32)
    assert set(goal_scores.scores(noise, noise, noise)) == {"psnr_db", "features"}


def test_means_are_over_those_that_have_a_score() -> None:
    rows = [{"psnr_db": 10.0, "moved": 1.0}, {"psnr_db": 20.0}]
    assert goal_scores.means(rows) == {"psnr_db": (15.0, 2), "moved": (1.0, 1)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    fresh, styles = start_model("nano_goal", inherit="nano")
    fresh.image_table.weight.data[1] = 0  # the end token, which untrained weights may draw at any place
    fresh.save_pretrained(directory)
    save_styles(directory, styles)
    return directory


def config(model: Path, output: Path, **changes: object) -> ImagineConfig:
    fields = dict(model=str(model), output=str(output), task="rotate", episodes=2, slots=1)
    return ImagineConfig(**(fields | changes))


def test_goals_lie_beside_the_experts_and_what_was_stopped_goes_on(
    model: Path, tmp_path: Path, rendering: None
) -> None:
    imagine(config(model, tmp_path, episodes=1), tmp_path)
    before = json.loads((tmp_path / RESULT).read_text())["rows"]
    result = imagine(config(model, tmp_path), tmp_path)
    assert len(result["rows"]) == 2 and result["rows"][:1] == before
    row = result["rows"][1]
    assert (row["task"], row["seed"], row["solved"]) == ("rotate", 5_000_001, True)
    seen = []
    env = envs.suite("vima").make("rotate", "placement", expert=True)
    observation, info = env.reset(seed=5_000_001)
    seen.append(observation)
    while not info["success"]:
        observation, _, _, _, info = env.step(info["expert_action"])
    seen.append(observation)
    body = get("vima")
    style = body.style(small=True).fitted(body.cameras).drawn
    for kind, observation in zip(("first", "real"), seen, strict=True):
        shown = np.asarray(Image.open(tmp_path / picture_path("rotate", "placement", 5_000_001, kind)))
        whole = Image.fromarray(scene(body, body.views(observation), style)).resize((128, 64), Image.BOX)
        assert np.abs(shown.astype(int) - np.asarray(whole)).mean() < 3, kind
    assert result["summary"]["first"]["psnr_db"][1] == 2
    text = page.write(tmp_path, result, shown=1).read_text()
    assert text.count("<img") == 5 and "copy of the first observation" in text
    with pytest.raises(RolloutError, match="guidance"):
        imagine(config(model, tmp_path, guidance=2.0), tmp_path)


def test_a_model_without_pictures_draws_none() -> None:
    nano, styles = start_model("nano", trained=True)
    with pytest.raises(UIO2Error, match="answers with no pictures"):
        Imagination(nano, styles.get)
