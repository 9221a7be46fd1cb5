"""Errors of the environments: one root class, so that a caller can catch all that an environment refuses."""

import difflib
from collections.abc import Iterable


class EnvError(Exception):
    """An environment was asked for something it cannot do; the text says what was found and what to do."""


class SpawnError(EnvError):
    """An object found no free place; reset catches it and retries on a sub-stream of the same seed."""


def unknown_name(kind: str, asked: object, names: Iterable[str], others: Iterable[str] = ()) -> EnvError:
    """Build the error for a name that does not exist: the one that was probably meant, and those there are,
    in their order. `others` are understood too, but not listed.
    """
    names = list(names)
    if not names:
        return EnvError(f"unknown {kind} {asked!r}: there is none to choose")
    spelled = {name.lower(): name for name in (*names, *others)}
    close = difflib.get_close_matches(str(asked).lower(), spelled, n=1)
    meant = f" (did you mean {spelled[close[0]]!r}?)" if close else ""
    return EnvError(f"unknown {kind} {asked!r}{meant}: choose one of {', '.join(names)}")
