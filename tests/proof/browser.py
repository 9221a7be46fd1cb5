"""Proof that every kind of page works in a real browser, in a large window and in one of a phone's size.

Makes the pages with the commands, opens each in Debian's Chromium without a screen (`tests/browser.py`), and
clicks, chooses, drags and plays. A page that throws, asks another machine for something, or is wider than its
window is off. Usage: python -m tests.proof.browser REPORT.md [PICTURES]

Into the folder PICTURES go pictures of all pages.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from policies import embodiments
from policies.style import save_styles
from pretrain.initialization import start_model
from pretrain.sources import EpisodeFolders
from rollouts.cli import main as uio2
from rollouts.output import claim
from rollouts.pages import report
from rollouts.pages.strip import PICTURES, picture_path
from rollouts.results.files import load
from tests.browser import DESKTOP, PHONE, Browser, browser, chromium
from tests.played import dragged, served
from tests.proof.tables import ROOT, table, write
from tests.toys import TOY

SHOWN = "[...document.querySelectorAll('.item')].filter(each => !each.hidden)"
Look = Callable[[Browser], str]
"""Does something with a page; returns what, and what was seen."""
See = Callable[[str, Path | str, Look], None]
PAGE = "index.html"
MANY = 5000
DRAGGED = "visual_manipulation"
SMALL = ("threads=1", "workers=0", "device=cpu")


def main(target: str, pictures: str | None = None) -> int:
    """Run the proof, write its table; 1 where something is off."""
    if chromium() is None:
        print("there is no browser here: apt-get install -y chromium", file=sys.stderr)
        return 1
    place = ROOT / "build" / "proof" / "browser"
    shutil.rmtree(place, ignore_errors=True)
    claim(place)
    shots = Path(pictures) if pictures else place / "pictures"
    claim(shots)
    rows: list[tuple[str, str, str]] = []
    failed = 0
    with browser() as window:

        def see(name: str, page: Path | str, look: Look) -> None:
            nonlocal failed
            for words, size in (("1280 × 900", DESKTOP), ("390 × 844", PHONE)):
                window.complaints.clear()
                window.size(size)
                window.open(page)
                window.screenshot(shots / f"{name.replace(' ', '_')}_{size[0]}.png")
                try:
                    said = look(window)
                    assert window.too_wide() <= 0, f"{window.too_wide()} pixels too wide"
                    assert not window.complaints, window.complaints
                except (AssertionError, RuntimeError) as error:
                    said, failed = f"OFF: {error}", failed + 1
                rows.append((name, words, said))
                print(*rows[-1], sep=" | ", flush=True)

        _look_at_results(place, see)
        _look_at_trainings(place, window, see)
        _look_at_models(place, see)
        _look_at_play(place, see)
    write(
        target,
        "Pages in a browser",
        f"python -m tests.proof.browser {target}",
        f"{_version()}, without a screen. Each page also threw nothing, asked no other machine for anything "
        "and is no wider than its window.",
        table(("page", "window", "what was done and seen"), rows),
    )
    return 1 if failed else 0


def _look_at_results(place: Path, see: See) -> None:
    rollout, walks, result = place / "rollout", place / "walks", place / "evaluate"
    _run(f"rollout episodes=3 output={rollout}")
    tasks = "task=[rotate,sweep_without_exceeding] level=[placement,combinatorial]"
    _run(f"evaluate policy=random {tasks} episodes=4 output={result}")
    _run(f"rollout env=habitat policy=oracle episodes=2 env_kwargs.size=96 output={walks}")
    for data in (rollout, walks):
        _run(f"inspect {data}/dataset film=all")
    see("rollout", rollout / PAGE, _all(_filters, _link, _plays, _film))
    see("evaluation", result / PAGE, _all(_filters, _link, _plays))
    see("dataset", rollout / "dataset" / "page" / PAGE, _all(_filters, _link, _film))
    see("dataset of walks", walks / "dataset" / "page" / PAGE, _all(_link, _film))
    see("many episodes", _many(rollout, place / "many"), _thousands)


def _look_at_trainings(place: Path, window: Browser, see: See) -> None:
    output = place / "training"
    words = (
        f"train data={place}/rollout/dataset output={output} steps=40 eye_steps=5 batch_size=4 warmup=5 "
        "log_every=2 validation_episodes=1 evaluate_every=20 evaluate.task=rotate evaluate.episodes=2"
    )
    with _running([*words.split(), *SMALL]):
        _wait_for(output / PAGE)
        see("training, running", output / PAGE, _training_runs)
        window.until("document.querySelector('h1').textContent.includes('finished')", 600)
    see("training, after", output / PAGE, _training_ended)
    mixture = f"mixture=generated steps=4 log_every=1 batch_size=4 warmup=1 {' '.join(SMALL)}"
    _run(f"pretrain model=nano_all output={place}/pretraining {mixture}")
    see("pre-training", place / "pretraining" / PAGE, _training_ended)
    _run(f"train-tokenizer image model=nano_goal output={place}/tokenizer {mixture}")
    see("tokenizer", place / "tokenizer" / PAGE, _training_ended)


def _look_at_models(place: Path, see: See) -> None:
    torch.manual_seed(0)
    for name, inherit in (("nano_goal", "nano"), ("nano", None)):
        model, styles = start_model(name, inherit=inherit)
        model.save_pretrained(place / name)
        save_styles(place / name, styles or {"vima": embodiments.get("vima").style(small=True)})
    _run(f"imagine {place}/nano_goal task=[rotate,twist] episodes=2 output={place}/imagined")
    see("imagination", place / "imagined" / PAGE, _all(_filters, _link))
    counts = "rounds=2 led=3 own=1 steps=2 batch_size=2 validation_episodes=2 test_episodes=3 control=true"
    small = " ".join(f"train.{word}" for word in SMALL)
    _run(f"improve env={TOY} policy={place}/nano task=slide {counts} {small} output={place}/improved")
    see("improvement", place / "improved" / PAGE, _improvement)


def _look_at_play(place: Path, see: See) -> None:
    with served("vima", DRAGGED, "placement", 4, place / "saved") as address:
        see("play, with the mouse", address, _drags)
    facts = EpisodeFolders((str(place / "saved"),)).facts
    saved = [(fact["seed"], fact["status"]) for fact in facts]
    assert saved == [(4, "success"), (5, "truncated"), (6, "success"), (7, "truncated")], saved
    with served("habitat", "PointNav", "small", 4) as address:
        see("play, with keys", address, _walks)


def _all(*looks: Look) -> Look:
    """One after the other."""
    return lambda window: "; ".join(look(window) for look in looks)


def _run(words: str) -> None:
    assert uio2(words.split()) == 0, words


@contextmanager
def _running(words: list[str]) -> Iterator[None]:
    command = [Path(sys.executable).with_name("uio2"), *words]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        yield
        assert process.wait(timeout=600) == 0
    finally:
        process.kill()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < end, f"there is no {path}"
        time.sleep(0.1)


def _filters(window: Browser) -> str:
    """Choose an outcome and a task, as lists and in the address; return what was seen."""
    count = window.value(f"{SHOWN}.length")
    said = []
    for key in ("outcome", "task"):
        options = window.value(
            f"[...document.querySelectorAll('select[name={key}] option')].slice(1).map(each => each.value)"
        )
        if not options:
            continue
        value = options[-1]
        window.choose(f"select[name={key}]", value)
        left = window.value(f"{SHOWN}.length")
        wanted = window.value(
            f"[...document.querySelectorAll('.item')].filter(each => each.dataset.{key} === '{value}').length"
        )
        assert left == wanted > 0, (key, value, left, wanted)
        assert f"{key}={value}".replace(" ", "+") in window.value("location.hash")
        window.value("window.isOld = true, location.reload()")
        loaded = "!window.isOld && document.readyState === 'complete'"
        window.until(f"{loaded} && {SHOWN}.length === {left}")
        window.choose(f"select[name={key}]", "")
        said.append(f"{key} {value}: {left} of {count}")
    return f"chose {', '.join(said)}, the same after a reload"


def _link(window: Browser) -> str:
    """Follow the link of the last episode."""
    name = window.value(f"{SHOWN}.at(-1).id")
    window.click(f".item[id='{name}'] a[href='#{name}']")
    box = f"document.getElementById('{name}').getBoundingClientRect()"
    window.until(f"location.hash === '#{name}' && {box}.top < innerHeight && {box}.bottom > 0")
    return f"opened #{name}"


def _plays(window: Browser) -> str:
    """Play a strip without a film."""
    strip = ".strip:not([data-film])"
    window.place(strip)
    place = f"Number(document.querySelector('{strip}').style.getPropertyValue('--i'))"
    window.until(f"document.querySelector('{strip} img').naturalWidth > 0")
    first = window.value(place)
    window.click(strip)
    window.until(f"{place} !== {first}")
    window.until(f"{place} === {first}")
    window.click(strip)
    count = window.value(f"document.querySelector('{strip}').style.getPropertyValue('--n')")
    return f"played the {count} pictures of an episode"


def _film(window: Browser) -> str:
    window.click(".strip[data-film]")
    video = "document.querySelector('video')"
    window.until(f"{video} && {video}.currentTime > 0.3")
    return f"a film ran ({window.value(video + '.videoWidth')} × {window.value(video + '.videoHeight')})"


def _many(rollout: Path, place: Path) -> Path:
    """The page of a result of thousands of episodes, each with its picture."""
    result = load(rollout)
    (place / PICTURES).mkdir(parents=True)
    rows = [{**row, "seed": seed} for seed in range(MANY) for row in [result["episodes"][seed % 12]]]
    for row, like in zip(rows, result["episodes"] * MANY, strict=False):
        os.link(rollout / picture_path(like), place / picture_path(row))
    return report.write_evaluation(place, result | {"episodes": rows})


def _thousands(window: Browser) -> str:
    spent = window.value("performance.timing.loadEventEnd - performance.timing.navigationStart")
    loaded = window.value(
        "[...document.querySelectorAll('.strip img')].filter(each => each.naturalWidth).length"
    )
    assert loaded < MANY / 10, f"{loaded} pictures were loaded at once"
    took = window.value(
        "(() => { const e = document.querySelector('select[name=outcome]'), began = performance.now(); "
        "e.value = [...e.options].map(each => each.value).find(each => each && each !== 'success'); "
        "e.dispatchEvent(new Event('change')); document.body.offsetHeight; "
        "return performance.now() - began })()"
    )
    left = window.value(f"{SHOWN}.length")
    assert 0 < left < MANY and took < 3000 and spent < 20_000, (left, took, spent)
    spent, took = spent / 1e3, took / 1e3
    return f"{MANY} episodes: there in {spent:.1f} s with {loaded} pictures, filtered in {took:.2f} s"


def _training_runs(window: Browser) -> str:
    title = window.value("document.querySelector('h1').textContent")
    assert "left" in title or "running" in title, title
    assert window.value("!!document.querySelector('meta[http-equiv=refresh]')")
    return f"“{title}”, {window.value('document.querySelectorAll(`figure svg`).length')} panels"


def _training_ended(window: Browser) -> str:
    title = window.value("document.querySelector('h1').textContent")
    assert "finished" in title and not window.value("document.querySelector('meta[http-equiv=refresh]')"), (
        title
    )
    window.click("summary")
    assert window.value("document.querySelector('details').open")
    tiles = "[...document.querySelectorAll('.facts div')].map(each => each.innerText.split('\\n').join(' '))"
    settings = window.value("document.querySelectorAll('tr').length") - 1
    return f"“{title}”; {', '.join(window.value(tiles))}; unfolded {settings} settings"


def _improvement(window: Browser) -> str:
    window.click("summary")
    links = window.value("[...document.querySelectorAll('details a')].map(each => each.href)")
    missing = [link for link in links if not Path(link.removeprefix("file://")).exists()]
    assert links and not missing, missing
    panels = window.value("document.querySelectorAll('.figures svg').length")
    return f"{panels} panels of curves; {len(links)} stages, whose pages and folders are there"


def _drags(window: Browser) -> str:
    window.until("state && table.naturalWidth > 0 && !busy")
    seed = window.value("state.seed")
    start, end = (window.place("#table", *point) for point in dragged(DRAGGED, seed))
    window.drag(start, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), end)
    window.until("state.status === 'success' && !busy")
    window.click("#undo")
    window.until("state.steps === 0 && !busy")
    for point in dragged(DRAGGED, seed):
        window.click("#table", *point)
    window.until("state.status === 'success' && !busy")
    window.click("#save")
    window.until("state.kept === true && !busy")
    window.click("#next")
    window.until(f"state.seed === {seed + 1} && table.naturalWidth > 0 && !busy")
    for _ in range(2):
        window.click("#table", 0.02, 0.02)  # where nothing lies
    window.until("state.steps === 1 && !busy")
    assert window.value("state.status") == ""
    window.click("#save")
    window.until("state.kept === true && state.status === 'truncated' && !busy")
    window.click("#next")
    window.until(f"state.seed === {seed + 2} && !busy")
    solved = f"seed {seed}: dragged, solved; undone; clicked twice, solved; saved"
    return f"{solved}; seed {seed + 1}: one step, saved as it was left; went to the next seed"


def _walks(window: Browser) -> str:
    window.until("state && table.naturalWidth > 0 && !busy")
    before = window.value("state.steps")
    window.click("#keys button")
    window.until(f"state.steps === {before + 1} && !busy")
    window.key("u")
    window.until(f"state.steps === {before} && !busy")
    count = window.value("document.querySelectorAll('#keys button').length")
    return f"pressed a button of {count}, took it back with U"


def _version() -> str:
    return subprocess.run(
        [chromium(), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
