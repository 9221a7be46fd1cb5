"""Pages in a real browser: what a person clicks, chooses and sees, in a large window and on a phone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pretrain.logbook import Logbook
from pretrain.pages.training import TrainingPage
from pretrain.sources import EpisodeFolders
from rollouts.pages import film, report
from tests import toy_evaluation
from tests.browser import DESKTOP, PHONE, Browser, browser, chromium
from tests.played import dragged, served

SHOWN = "[...document.querySelectorAll('.item')].filter(each => !each.hidden)"
COUNT = f"{SHOWN}.length"


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no browser: apt-get install -y chromium")
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks, three outcomes, films of some."""
    output = tmp_path_factory.mktemp("evaluated")
    result = toy_evaluation.evaluated(output, ["slide", "crash"])
    film.record(output, result["config"], film.choose(result["episodes"], 1)[:1])
    return report.write_evaluation(output, result)


def outcomes(page: Path) -> list[tuple[str, str]]:
    rows = json.loads((page.parent / "result.json").read_text())["episodes"]
    return [(row["task"], row["status"]) for row in rows]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_filters_links_and_pictures_that_play(window: Browser, page: Path, size: tuple) -> None:
    window.size(size)
    window.open(page)
    rows = outcomes(page)
    assert window.value(COUNT) == len(rows) == 6 and window.too_wide() <= 0
    errors = rows.count(("crash", "error")) + rows.count(("slide", "error"))
    window.choose("select[name=outcome]", "error")
    assert window.value(COUNT) == errors > 0
    assert window.value("location.hash") == "#outcome=error"
    assert window.value("document.querySelector('output').textContent") == f"{errors} of 6: {errors} error"
    slides = window.value("document.querySelector('select[name=task] option[value=slide]').textContent")
    assert slides == "slide (0)", "counts follow the filter"
    window.choose("select[name=outcome]", "")
    window.click("td a[href='#task=slide&level=placement']")
    window.until(f"{SHOWN}.every(each => each.dataset.task === 'slide')")
    window.open(f"{page.as_uri()}#task=slide&outcome=truncated")
    assert window.value(COUNT) == rows.count(("slide", "truncated")) == 2
    assert window.value("document.querySelector('select[name=outcome]').value") == "truncated"
    window.open(f"{page.as_uri()}#slide-placement-5000001")
    card = "document.getElementById('slide-placement-5000001')"
    assert window.value(COUNT) == 6 and window.value(f"{card}.querySelector('details').open")
    box = f"{card}.getBoundingClientRect()"
    assert window.value(f"{box}.top < innerHeight && {box}.bottom > 0"), "the link leads to its episode"
    plays = ".strip:not([data-film])"
    place = f"Number(document.querySelector('{plays}').style.getPropertyValue('--i'))"
    assert window.value(place) == 0
    window.until(f"document.querySelector('{plays} img').naturalWidth > 0")
    window.click(plays)
    window.until(f"{place} === 1")
    window.click(plays)
    window.click(".strip[data-film]")
    window.until("document.querySelector('video') && document.querySelector('video').currentTime > 0.2")
    assert window.complaints == []


def test_without_its_script_a_page_is_a_list_with_links(window: Browser, page: Path) -> None:
    window.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(f"{page.as_uri()}#outcome=error")
        assert window.value(COUNT) == 6 and window.value("document.querySelector('.filter').hidden")
        targets = window.value("[...document.querySelectorAll('.strip')].map(each => each.href)")
        assert targets and all(Path(target.removeprefix("file://")).is_file() for target in targets)
    finally:
        window.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_a_training_that_was_killed_is_told(window: Browser, tmp_path: Path) -> None:
    run = Logbook(tmp_path, 0, page=TrainingPage(tmp_path, "training", 40, {"model": "nano"}))
    run.take({"training/words": 3.0}, 2.0)
    run.record(1, {})
    for size in (DESKTOP, PHONE):
        window.size(size)
        window.open(tmp_path / "index.html")
        assert window.value("document.querySelector('.late').hidden") and window.too_wide() <= 0
    path = tmp_path / "index.html"
    written = window.value("document.querySelector('[data-written]').dataset.written")
    earlier = f'data-written="{int(written) - 900}"'
    path.write_text(path.read_text().replace(f'data-written="{written}"', earlier))
    window.open(path)
    assert not window.value("document.querySelector('.late').hidden")
    assert window.complaints == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_person_drags_takes_back_and_saves(
    window: Browser, tmp_path: Path, rendering: None, size: tuple
) -> None:
    """Where the thing to put is dragged to where it belongs, the episode is solved."""
    task = "visual_manipulation"
    with served("vima", task, "placement", 4, tmp_path / "set") as address:
        window.size(size)
        window.open(address)
        window.until("state && table.naturalWidth > 0 && !busy")
        assert window.too_wide() <= 0
        start, end = (window.place("#table", *point) for point in dragged(task, 4))
        window.drag(start, ((start[0] + end[0]) / 2, start[1]), end)
        window.until("state.steps === 1")
        assert window.value("at('status').textContent") == "success"
        window.click("#undo")
        window.until("state.steps === 0 && !busy")
        assert window.value("at('save').disabled")
        for point in dragged(task, 4):  # two clicks do the same
            window.click("#table", *point)
        window.until("state.steps === 1 && !busy")
        window.click("#save")
        window.until("state.kept === true")
        assert window.value("at('hint').textContent") == "This episode is saved."
        window.click("#next")
        window.until("state.seed === 5")
    assert window.complaints == []
    (fact,) = EpisodeFolders((str(tmp_path / "set"),)).facts
    assert (fact["seed"], fact["length"], fact["status"]) == (4, 1, "success")
