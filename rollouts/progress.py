"""The one progress bar of the commands that play episodes: on stderr, so that results alone go to stdout.

Where stderr is no terminal, a line now and then says as much.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LINE_EVERY_S = 30.0


@contextmanager
def progress(name: str, total: int, done: int = 0, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show a bar; the function handed out moves it on by one and sets the words behind it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if shown and not console.is_terminal:
        yield _lines(name, total, done)
        return
    counts = MofNCompleteColumn(), TextColumn("{task.fields[words]}")
    columns = (name, *counts)
    if console.width >= 60:  # else these would be cut
        bar = BarColumn(min(40, console.width - 56))
        columns = (name, bar, *counts, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as bars:
        episodes = bars.add_task(name, total=total, completed=done, words="")
        yield lambda words: bars.update(episodes, advance=1, words=words)


def _lines(name: str, total: int, done: int) -> Callable[[str], None]:
    said = began = time.monotonic()
    first = done

    def advance(words: str) -> None:
        nonlocal said, done
        done, now = done + 1, time.monotonic()
        if now - said >= _LINE_EVERY_S and done < total:
            said = now
            left = (now - began) / (done - first) * (total - done)
            facts = [f"{name} {done}/{total}", words, f"about {left / 60:.0f} min left"]
            print(", ".join(filter(None, facts)), file=sys.stderr, flush=True)

    return advance
