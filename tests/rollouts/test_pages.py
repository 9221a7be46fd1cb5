"""Pages as files: well-formed, nothing from elsewhere, every link and picture there, and what the script
filters by is what happened. What the script does with it, `tests/test_browser.py` sees.
"""

import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image

from rollouts.cli import main
from rollouts.commands.inspect import inspect_dataset
from rollouts.pages import film, report, strip
from tests import toy_evaluation
from tests.toys import TOY, ToyEnv

VOID = {"meta", "img", "link", "input", "br", "line", "circle", "polyline", "rect"}


class Page(HTMLParser):
    """The elements of a page; AssertionError where one is not closed in its turn."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.elements, self.words = path, [], ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open and self._open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("script", "style"):
            self.words += data

    @property
    def items(self) -> list[dict[str, Any]]:
        return [facts for _, facts in self.elements if "item" in (facts.get("class") or "").split()]


def checked(path: Path) -> Page:
    """Parse a page, and check all it names."""
    page = Page(path)
    ids = [facts["id"] for _, facts in page.elements if "id" in facts]
    assert len(ids) == len(set(ids))
    values = {key: {item[f"data-{key}"] for item in page.items} for key in ("task", "level", "outcome")}
    for tag, facts in page.elements:
        for key in ("src", "href"):
            link = facts.get(key)
            if link in (None, "data:,"):  # no icon
                continue
            if link.startswith("#"):
                asked = parse_qs(link[1:])
                assert link[1:] in ids or (asked and all(asked[k][0] in values[k] for k in asked)), link
                continue
            assert not re.match(r"[a-z]+:|/", link) and (path.parent / link).exists(), link
        assert tag != "img" or (facts["loading"] == "lazy" and "alt" in facts)
    assert ("viewport", "width=device-width, initial-scale=1") in [
        (facts.get("name"), facts.get("content")) for _, facts in page.elements
    ]
    return page


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Successes, one that is not solved, and errors."""
    output = tmp_path_factory.mktemp("evaluated")
    result = toy_evaluation.evaluated(output, ["slide", "crash"], dataset=True)
    film.record(output, result["config"], film.choose(result["episodes"], 1))
    report.write_evaluation(output, result)
    return output, result


def test_a_result_is_all_on_its_page(evaluated: tuple[Path, dict[str, Any]]) -> None:
    output, result = evaluated
    page = checked(output / "index.html")
    rows = result["episodes"]
    shown = [(item["id"], item["data-task"], item["data-level"], item["data-outcome"]) for item in page.items]
    assert shown == [
        (f"{row['task']}-{row['level']}-{row['seed']}", row["task"], row["level"], row["status"])
        for row in rows
    ]
    assert {row["status"] for row in rows} == {"success", "truncated", "error"}
    for row in rows:
        assert row["prompt"] in page.words and row.get("message", "") in page.words
    films = [facts["href"] for _, facts in page.elements if "data-film" in facts]
    assert len(films) == len(list((output / "videos").glob("*.mp4"))) == 4
    outcomes = [
        parse_qs(facts["href"][1:]) for _, facts in page.elements if "outcome=" in facts.get("href", "")
    ]
    assert {(each["task"][0], each["outcome"][0]) for each in outcomes} == {
        (row["task"], row["status"]) for row in rows if row["status"] != "truncated"
    }


def test_pictures_show_each_step_and_the_end(evaluated: tuple[Path, dict[str, Any]]) -> None:
    """The last picture of a strip is what the environment shows after the episode's actions."""
    output, result = evaluated
    row = next(row for row in result["episodes"] if row["task"] == "slide" and row["steps"] > 1)
    count, width, height = row["pictures"]
    sheet = Image.open(output / strip.picture_path(row))
    assert count == row["steps"] + 1 and sheet.size == (count * width, height)
    env = ToyEnv(task="slide", expert=True)
    observation, _ = env.reset(seed=row["seed"])
    board = list(film.play_again(row, TOY, lambda work: env))
    seen = board[-1][0].views
    camera = list(seen)[-1]
    last = np.asarray(sheet.crop(((count - 1) * width, 0, count * width, height)), float)
    wanted = Image.fromarray(np.ascontiguousarray(seen[camera])).resize((width, height), Image.BILINEAR)
    assert np.abs(last - np.asarray(wanted, float)).mean() < 4
    first = np.asarray(sheet.crop((0, 0, width, height)), float)
    plain = np.moveaxis(observation["rgb"][camera], 0, -1)
    plain = Image.fromarray(np.ascontiguousarray(plain)).resize((width, height), Image.BILINEAR)
    changed = np.abs(first - np.asarray(plain, float)).max(-1) > 60
    assert 0.002 < changed.mean() < 0.2, "an arrow lies over the first"


def test_long_episodes_are_thinned_out_evenly() -> None:
    from policies.embodiments.vima import VIMA

    for length in (1, 24, 25, 48, 49, 500):
        sketcher = strip.Sketcher()
        for step in range(length):
            sketcher.step(VIMA, {"top": np.full((8, 16, 3), step % 250, np.uint8)}, np.zeros(1), None)
        made = sketcher.strip(VIMA, {"top": np.full((8, 16, 3), 255, np.uint8)})
        sheet = np.asarray(Image.open(io.BytesIO(made.jpeg)).convert("L"), int)
        shades = sheet.reshape(made.height, made.count, made.width).mean((0, 2))
        kept = list(strip.shown_steps(length))
        assert made.count == len(kept) + 1 and (length <= 12 or len(kept) > 12)
        assert np.abs(shades - [*(step % 250 for step in kept), 255]).max() < 4


def test_a_dataset_is_shown_and_films_when_they_are_named(
    evaluated: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, page = evaluated[0] / "dataset", tmp_path / "page"
    words = ["inspect", str(data), f"output={page}"]
    assert main(words) == 0
    assert not list(page.glob("*.mp4"))
    names = [item["id"] for item in checked(page / "index.html").items]
    assert Counter(name.split("-")[0] for name in names) == {"slide": 3, "crash": 1}
    assert main([*words, f"film={names[1]}", "episodes=1"]) == 0
    assert [path.name for path in page.glob("*.mp4")] == ["episode-000001.mp4"]
    assert [item["id"] for item in checked(page / "index.html").items] == names[:2]
    assert main([*words, "film=slide-placement-500000"]) == 2
    assert "no such episode (did you mean 'slide-placement-500000" in capsys.readouterr().err


def test_a_seed_that_a_set_holds_twice_has_two_names(
    evaluated: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pretrain.sources.lerobot import LeRobotSource

    read = LeRobotSource.__getitem__
    monkeypatch.setattr(LeRobotSource, "__getitem__", lambda self, place: read(self, 0))
    names = [item["id"] for item in checked(inspect_dataset(evaluated[0] / "dataset", tmp_path, 3)).items]
    assert names == ["slide-placement-5000000", "slide-placement-5000000-2", "slide-placement-5000000-3"]


def test_inspect_elsewhere_still_finds_what_lies_there(
    evaluated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    named = "slide-placement-5000002"
    assert not (evaluated[0] / f"videos/{named}.mp4").exists()
    assert main(["inspect", str(evaluated[0]), f"film={named}", f"output={tmp_path / 'page'}"]) == 0
    assert (evaluated[0] / f"videos/{named}.mp4").exists()
    assert len(checked(tmp_path / "page" / "index.html").items) == 6


def test_what_cannot_be_drawn_costs_no_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strip, "_picture", None)
    words = ["evaluate", f"env={TOY}", "task=slide", "policy=oracle", "episodes=2", f"output={tmp_path}"]
    assert main(words) == 0
    rows = json.loads((tmp_path / "result.json").read_text())["episodes"]
    assert [(row["status"], "pictures" in row) for row in rows] == [("success", False)] * 2
    assert len(checked(tmp_path / "index.html").items) == 2
