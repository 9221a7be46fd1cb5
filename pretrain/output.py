"""The folder of a run: one run at a time writes it, and what cannot be written is said in a line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pretrain.errors import TrainingError
from uio2_agent.errors import CheckpointError
from uio2_agent.locks import FolderLock

LOCK = ".training.lock"


class Output:
    """A folder that is made and taken for the life of this object.

    Raises TrainingError where it cannot be written, or another process trains in it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path / LOCK)
        except BlockingIOError as error:
            raise TrainingError(
                f"another process trains in {self.path}: wait for it, or name another folder with output="
            ) from error
        except OSError as error:
            raise TrainingError(
                f"cannot write to {self.path}: {error.strerror}; name another folder with output="
            ) from error

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an OSError of writes into a TrainingError that names the file and what to do.

        A folder that was removed or unmounted is no longer written to.
        """
        if not self._lock.in_place():
            raise TrainingError(
                f"{self.path} was removed, moved or unmounted during the run: put it back, or name another "
                "folder with output="
            )
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
