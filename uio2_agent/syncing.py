"""Bringing what was written to the disk: one file, or many at once.

Unusual: `fsync` of ten small files commits a file system's journal ten times, `syncfs` once; what collection
spends on an episode is mostly that. It stands in for many calls where it is known to wait for the data and to
report what could not be written: on Linux from 5.8 on, and file systems of a disk at hand.
"""

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

_JOURNALED = frozenset({"ext4", "xfs", "btrfs"})
_FEW = 2
"""As many are brought one by one: `syncfs` takes along what others have written meanwhile."""


def sync(path: Path) -> None:
    """Bring a file, or the names of a directory, to the disk; Windows opens no directories."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(paths: Sequence[Path]) -> None:
    """Bring files and names of directories to the disk. Raises OSError for what could not be written."""
    devices = {os.stat(path).st_dev: path for path in paths}
    call = _syncfs()
    if len(paths) <= _FEW or call is None or not all(map(_is_journaled, devices)):
        for path in paths:
            sync(path)
        return
    for path in devices.values():
        handle = os.open(path, os.O_RDONLY)
        try:
            if call(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(handle)


@cache
def _syncfs() -> Callable[[int], int] | None:
    """The system's call, where it reports errors; it takes a descriptor, and returns 0 where all is well."""
    if os.name == "nt" or os.uname().sysname != "Linux":
        return None
    version = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if version >= (5, 8) else None


@cache
def _is_journaled(device: int) -> bool:
    """Tell whether a device has a file system of a disk at hand, by what is mounted."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    kinds = {line.split(" - ")[1].split()[0] for line in lines if line.split()[2] == number}
    return bool(kinds) and kinds <= _JOURNALED
