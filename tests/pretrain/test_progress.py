"""Lines in files and pipes: by time, whole, plain; the first at once, the last at the end."""

import sys
from contextlib import suppress

import pytest

from pretrain import progress as module
from pretrain.progress import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_by_time(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    words = "many words behind it, " * 10
    with progress("episodes", 1000, 500) as advance:
        shown = []
        for _ in range(31):
            clock[0] += 2.0
            shown.append(advance(words))
    assert [place for place, is_shown in enumerate(shown) if is_shown] == [0, 8, 16, 24]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"episodes 501/1000  {words}"
    assert lines[1] == f"episodes 509/1000  {words}  2 s/episode  16 min left"
    assert lines[-1] == f"episodes 531/1000  {words}  2 s/episode  16 min left" and len(lines) == 5


def test_the_last_line_of_what_was_stopped(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), progress("train", 9000, unit="step") as advance:
        advance("")
        clock[0] += 3.0
        advance("a")
        raise KeyboardInterrupt
    assert capsys.readouterr().out == "train 1/9000\ntrain 2/9000  a  3 s/step  7 h 30 min left\n"


def test_nothing_is_said_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("episodes", 5, 5):
        pass
    with progress("episodes", 5, shown=False) as advance:
        assert not advance("words")
    assert capsys.readouterr().out == ""


def test_a_full_disk_behind_the_output_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - closing it fails too
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(OSError, match="No space left") as error, progress("episodes", 5) as advance:
        advance("")
    assert error.value.filename == "standard output"
    with suppress(OSError):
        full.close()
