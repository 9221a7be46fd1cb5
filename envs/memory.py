"""Freed memory goes back to the system: glibc keeps what was freed in pieces, so that a process which builds
and drops large things for hours only grows.
"""

import ctypes
import functools
from collections.abc import Callable


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library than glibc
        return None


def give_back() -> None:
    """Return what is free to the system, where its C library can: a few milliseconds."""
    if (trim := _trim()) is not None:
        trim(0)
