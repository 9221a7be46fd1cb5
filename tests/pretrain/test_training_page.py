"""The page of a training: what it tells while the run goes on and after; its curves are the log's."""

import re
import time
from pathlib import Path

import pytest

from pretrain.logbook import Logbook
from pretrain.pages import training
from pretrain.pages.training import TrainingPage


def book(directory: Path, steps: int = 40) -> Logbook:
    page = TrainingPage(directory, "training", steps, {"model": "nano", "data": ("<a>",)}, ["seen.png"])
    return Logbook(directory, 0, page=page)


def test_a_running_page_loads_itself_again_and_an_ended_one_does_not(tmp_path: Path) -> None:
    run, page = book(tmp_path), tmp_path / "index.html"
    assert not page.exists(), "there is nothing to tell yet"
    run.take({"training/words": 3.0, "speed/examples_per_s": 8}, 2.0)
    run.take({"training/words": 1.0, "speed/examples_per_s": 8}, 4.0)
    run.record(2, {"rate/learning_rate": 0.001})
    text = page.read_text()
    assert '<meta http-equiv="refresh" content="20">' in text and "2 min left</h1>" in text  # 38 steps of 3 s
    assert "<b>2 of 40</b>" in text and "<b>2.67</b><span>examples/s</span>" in text
    assert "words 2</span>" in text and "&lt;a&gt;" in text and "seen.png" not in text
    written = float(re.search(r'data-written="(\d+)"', text)[1])
    assert abs(time.time() - written) < 5
    run.add(2, {"success/rotate": 0.25})
    assert "<b>25%</b><span>solved: rotate</span>" in page.read_text()
    (tmp_path / "seen.png").write_bytes(b"")
    run.close()
    text = page.read_text()
    assert "stopped at step 2</h1>" in text and "http-equiv" not in text and "data-written=" not in text
    assert '<img src="seen.png"' in text and 'href="metrics.jsonl"' in text and "tensorboard" not in text


def test_the_last_step_is_the_end(tmp_path: Path) -> None:
    run = book(tmp_path, steps=3)
    run.take({"training/words": 3.0}, 2.0)
    run.record(3, {})
    run.close()
    assert f"{tmp_path.name}: finished</h1>" in (tmp_path / "index.html").read_text()


def test_curves_are_those_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A curve's highest point is as high as the frame, its points are the log's, thinned out to the last."""
    monkeypatch.setattr(training, "_MOST_POINTS", 5)
    run = book(tmp_path)
    for step in range(1, 18):
        run.take({"training/words": float(step % 7)}, 1.0)
        run.record(step, {})
    text = (tmp_path / "index.html").read_text()
    line = re.search(r'<polyline points="([^"]*)"', text)[1]
    points = [tuple(map(float, point.split(","))) for point in line.split()]
    wide, tall = 420 - 2 * 42, 220 - 2 * 42
    wanted = [(42 + wide * x / 17, 42 + tall * (1 - (x % 7) / 6)) for x in (1, 5, 9, 13, 17)]
    assert points == [pytest.approx(point, abs=0.1) for point in wanted]


def test_a_full_disk_at_the_end_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = book(tmp_path)
    run.take({"training/words": 3.0}, 2.0)
    run.record(1, {})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "replace_file", full)
    run.close()
    with pytest.raises(OSError, match="No space left"):
        run.add(2, {"success/rotate": 1.0})
