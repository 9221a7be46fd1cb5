"""The one progress bar of the commands that play episodes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(name: str, total: int, done: int = 0, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show a bar; the function handed out moves it on by one and sets the words behind it."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (name, BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), disable=not shown) as bars:
        bar = bars.add_task(name, total=total, completed=done, words="")
        yield lambda words: bars.update(bar, advance=1, words=words)
