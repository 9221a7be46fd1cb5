"""The folder of a run: one process at a time writes it, and what cannot be written is said in a line.

Unusual: the lock is a POSIX record lock, which the processes that prepare batches do not inherit, so that a
run that was killed leaves its folder free at once.
"""

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pretrain.errors import TrainingError
from uio2_agent.errors import CheckpointError

LOCK = ".training.lock"


class Output:
    """A folder that is made and taken for the life of this object.

    Raises TrainingError where it cannot be written, or another process trains in it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise TrainingError(
                f"cannot write to {self.path}: {error.strerror}; name another folder with output="
            ) from error
        self.close = weakref.finalize(self, os.close, self._lock)
        """Leave the folder to others."""
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise TrainingError(
                f"another process trains in {self.path}: wait for it, or name another folder with output="
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an OSError of writes into a TrainingError that names the file and what to do.

        A folder that was removed or unmounted is no longer written to.
        """
        try:
            if not os.path.samestat(os.stat(self.path / LOCK), os.fstat(self._lock)):
                raise FileNotFoundError
        except OSError as error:
            raise TrainingError(
                f"{self.path} was removed, moved or unmounted during the run: put it back, or name another "
                "folder with output="
            ) from error
        try:
            yield
        except (OSError, CheckpointError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                raise
            raise TrainingError(
                f"cannot write {cause.filename or self.path}: {cause.strerror}; make room there: what was "
                "saved before is whole, and the same command goes on from it"
            ) from error
