"""How far a command is: a bar on a terminal, plain lines in files and pipes."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

INTERVAL = 15.0
"""Seconds between lines."""


def say(line: str, stream: TextIO | None = None) -> None:
    """Print a line at once, to stdout by default; an OSError names what was written to."""
    try:
        print(line, file=stream, flush=True)
    except OSError as error:
        error.filename = "standard error" if stream is sys.stderr else "standard output"
        raise


@contextmanager
def progress(
    name: str,
    total: int,
    done: int = 0,
    shown: bool = True,
    unit: str = "episode",
    stream: TextIO | None = None,
) -> Iterator[Callable[[str], bool]]:
    """Show how many of `total` are done. The function handed out counts one more, with words behind it, and
    tells whether they were shown.

    In a file or a pipe there is a line for the first one, one every `INTERVAL` seconds and one at the end,
    with the rate and the time left. It goes to stdout, or to another `stream`, so that results stay alone.
    """
    stream = stream or sys.stdout
    if not shown:
        yield lambda words: False
    elif stream.isatty():
        with _bar(name, total, done, stream) as advance:
            yield advance
    else:
        lines = _Lines(name, total, done, unit, stream)
        try:
            yield lines.advance
        finally:
            lines.close()


@contextmanager
def _bar(name: str, total: int, done: int, stream: TextIO) -> Iterator[Callable[[str], bool]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(file=stream)
    counts = MofNCompleteColumn(), TextColumn("{task.fields[words]}")
    columns = (name, *counts)
    if console.width >= 60:  # else these would be cut
        bar = BarColumn(min(40, console.width - 56))
        columns = (name, bar, *counts, TimeElapsedColumn(), TimeRemainingColumn())
    refreshed = 0.0
    with Progress(*columns, console=console, refresh_per_second=2) as bars:
        task = bars.add_task(name, total=total, completed=done, words="")

        def advance(words: str) -> bool:
            nonlocal refreshed
            if is_due := time.monotonic() - refreshed > 1:
                refreshed = time.monotonic()
                bars.update(task, words=words)
            bars.advance(task)
            return is_due

        yield advance


class _Lines:
    def __init__(self, name: str, total: int, done: int, unit: str, stream: TextIO):
        self._name, self._total, self._unit, self._stream = name, total, unit, stream
        self._done = self._told = done
        self._since: float | None = None
        self._words = ""

    def advance(self, words: str) -> bool:
        self._done += 1
        self._words = words
        first = self._since is None
        if is_due := first or time.monotonic() - self._since >= INTERVAL:
            self._write()
        return is_due

    def close(self) -> None:
        if self._done > self._told:
            self._write()

    def _write(self) -> None:
        now, left = time.monotonic(), self._total - self._done
        parts = [f"{self._name} {self._done}/{self._total}", self._words]
        if self._since is not None:  # the first one includes what is done once
            rate = (now - self._since) / (self._done - self._told)
            parts.append(f"{rate:.3g} s/{self._unit}")
            parts.append(f"{duration(left * rate)} left" if left else "")
        say("  ".join(filter(None, parts)), self._stream)
        self._since, self._told = now, self._done


def duration(seconds: float) -> str:
    """Return a time in words: seconds, minutes, or hours and minutes."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
