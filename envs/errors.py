"""Errors of the environments: one root class, so that a caller can catch all that an environment refuses."""

import difflib
import reprlib
from collections.abc import Iterable

_SHOWN = 80
_LISTED, _NEAREST = 20, 5
"""Up to so many names an error lists all of them, of more the nearest alone."""
_REPR = reprlib.Repr()
_REPR.maxother = _REPR.maxstring = _SHOWN


class EnvError(Exception):
    """An environment was asked for something it cannot do; the text says what was found and what to do."""


class SpawnError(EnvError):
    """An object found no free place; reset catches it and retries on a sub-stream of the same seed."""


def shown(value: object) -> str:
    """Return a value as an error text shows it: its repr on one line of at most 80 characters.

    >>> shown("left"), shown(10**5000)
    ("'left'", 'a value of type int')
    """
    try:
        text = " ".join(_REPR.repr(value).split())
    except Exception:  # a number too long to write out, or a class whose repr fails
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def unknown_name(kind: str, asked: object, names: Iterable[str], others: Iterable[str] = ()) -> EnvError:
    """Build the error for a name that does not exist: the one that was probably meant, and those there are,
    in their order, or of more than 20 their number and the nearest. `others` are understood too, but not
    listed.
    """
    names = list(names)
    if not names:
        return EnvError(f"unknown {kind} {shown(asked)}: there is none to choose")
    text = asked if isinstance(asked, str) and len(asked) <= _SHOWN else shown(asked)
    spelled = {name.lower(): name for name in (*names, *others)}
    close = difflib.get_close_matches(text.lower(), spelled, n=1)
    meant = f" (did you mean {spelled[close[0]]!r}?)" if close else ""
    offered = ", ".join(names)
    if len(names) > _LISTED:
        alike = difflib.get_close_matches(text.lower(), [name.lower() for name in names], _NEAREST, cutoff=0)
        nearest = [name for each in alike for name in names if name.lower() == each]
        offered = f"{len(names)}, the nearest {', '.join(nearest[:_NEAREST])}"
    return EnvError(f"unknown {kind} {shown(asked)}{meant}: choose one of {offered}")
