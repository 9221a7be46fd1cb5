"""Errors of the environments: one root class, so that a caller can catch all that an environment refuses."""

import difflib
from collections.abc import Iterable


class EnvError(Exception):
    """An environment was asked for something it cannot do; the text says what was found and what to do."""


class SpawnError(EnvError):
    """An object found no free place; reset catches it and retries on a sub-stream of the same seed."""


def unknown_name(kind: str, asked: object, names: Iterable[str]) -> EnvError:
    """Build the error for a name that does not exist: the valid names, the nearest first."""
    names = list(names)
    if not names:
        return EnvError(f"unknown {kind} {asked!r}: there is none to choose")
    nearest = difflib.get_close_matches(str(asked), names, n=len(names), cutoff=0.0)
    return EnvError(f"unknown {kind} {asked!r}: choose one of {', '.join(nearest)}")
