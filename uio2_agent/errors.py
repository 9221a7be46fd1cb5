"""The one root exception of the package.

A message is one line: what was asked, what was found, what to do.
"""

import difflib
from collections.abc import Iterable

_LISTED = 20
"""Most names that an error lists."""
_LONGEST = 2000
"""Most characters that are repeated of another's text."""


class UIO2Error(Exception):
    """Anything a caller did or supplied that the model cannot work with."""


class CheckpointError(UIO2Error):
    """A checkpoint that is missing, truncated, or made for another configuration."""


class RequestError(UIO2Error):
    """A request, target or image that the processor cannot turn into a batch."""


def nearest(asked: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name that was probably meant, whatever its capitals; None if none is near.

    >>> nearest("Nanno", ["oracle", "nano"])
    'nano'
    """
    spelled = {name.lower(): name for name in names}
    close = difflib.get_close_matches(asked.lower(), spelled, n=1, cutoff=cutoff)
    return spelled[close[0]] if close else None


def did_you_mean(asked: str, names: Iterable[str]) -> str:
    """Return " (did you mean 'name'?)" for an error about an unknown name; nothing if none is near."""
    close = nearest(asked, names)
    return "" if close is None else f" (did you mean {close!r}?)"


def offered(asked: str, names: Iterable[str]) -> str:
    """Return the names there are, for an error about an unknown one; of more than 20 their number and the
    five nearest.

    >>> offered("b", "abc")
    'a, b, c'
    """
    names = list(names)
    if len(names) <= _LISTED:
        return ", ".join(names)
    alike = difflib.get_close_matches(asked, names, n=5, cutoff=0)
    return f"{len(names)}, the nearest {', '.join(alike)}"


def described(error: BaseException) -> str:
    """Return the type and the text of an exception in one line that can be written to any file, even of one
    whose text cannot be made.
    """
    try:
        text = " ".join(str(error).split())
    except BaseException as other:
        if isinstance(other, KeyboardInterrupt):
            raise
        text = f"(its text raises {type(other).__name__})"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    return f"{type(error).__name__}{': ' if text else ''}{text}".encode(errors="backslashreplace").decode()
