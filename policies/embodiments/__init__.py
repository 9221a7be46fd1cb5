"""Bodies by name: `embodiments.get(info["embodiment"])`. Importing it, or a body, loads no simulator.

A name is one of ours, one of an installed package's (entry point group `uio2_agent.embodiments`), or
`module:attribute`.
"""

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from policies.embodiments.base import Embodiment
from uio2_agent.errors import UIO2Error, did_you_mean

DEFAULT = "vima"
"""The body of datasets and checkpoints that do not name theirs: they are older than the name."""
GROUP = "uio2_agent.embodiments"

_OURS = {
    "vima": f"{__name__}.vima:VIMA",
    "navigation": f"{__name__}.navigation:NAVIGATION",
    "household": f"{__name__}.household:HOUSEHOLD",
}


def names() -> list[str]:
    """Names that `get` knows: ours, then installed ones."""
    return [*_OURS, *sorted({point.name for point in entry_points(group=GROUP)} - set(_OURS))]


@cache
def get(name: str) -> Embodiment:
    """Return the body of a name.

    Raises:
        UIO2Error: Nothing of that name, a module that cannot be imported, or something else than an
            `Embodiment`.
    """
    place = _OURS.get(name) or next((p.value for p in entry_points(group=GROUP) if p.name == name), name)
    module, colon, attribute = str(place).partition(":")
    if not colon:
        known = names()
        raise UIO2Error(
            f"embodiment {name!r} is unknown{did_you_mean(str(name), known)}: use {', '.join(known)}, or "
            "module:attribute; is the package that brings it installed?"
        )
    try:
        body = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UIO2Error(f"embodiment {name!r}: {error}; is the package that brings it installed?") from error
    if not isinstance(body, Embodiment):
        raise UIO2Error(f"embodiment {name!r} is a {type(body).__name__}, not an instance of Embodiment")
    return body


def of(info: Mapping[str, Any]) -> Embodiment:
    """Return the body that acts in an episode, from its `info`."""
    if "embodiment" not in info:
        raise UIO2Error(
            "the environment's info names no embodiment: put info['embodiment'], as envs/base.py says"
        )
    return get(info["embodiment"])
