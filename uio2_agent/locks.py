"""A folder that one holder at a time writes: the lock in it, which the system gives back however it ends.

Unusual: a POSIX record lock, which processes that are started do not inherit, so that a holder that was
killed leaves its folder free at once, whoever it had working for it. Within a process such a lock knows no
second holder; a note of what is held does.
"""

import fcntl
import os
import weakref
from contextlib import suppress
from pathlib import Path

_HELD: dict[tuple[int, int], int] = {}
"""Device and inode of the locks that are held → the process that does."""


class FolderLock:
    """A lock file that is made and held until `close`, or for the life of this object.

    Raises BlockingIOError where somebody holds it, and another OSError where it cannot be written.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with suppress(FileNotFoundError):
            self._check_free(os.stat(self.path))  # to open and close it would give up the lock held here
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise BlockingIOError(error.errno, error.strerror, str(path)) from error
        self._file = file
        key = _key(os.fstat(file))
        _HELD[key] = os.getpid()
        self.close = weakref.finalize(self, _give_back, file, key)
        """Leave the folder to others."""

    def in_place(self) -> bool:
        """Tell whether the folder is still the one that was locked: not removed, moved or unmounted."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except OSError:
            return False

    def _check_free(self, found: os.stat_result) -> None:
        if _HELD.get(_key(found)) == os.getpid():
            raise BlockingIOError(None, "held in this process", str(self.path))


def _key(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _give_back(file: int, key: tuple[int, int]) -> None:
    _HELD.pop(key, None)
    os.close(file)
