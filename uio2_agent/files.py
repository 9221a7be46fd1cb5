"""Files that appear whole or not at all: written beside their place, then moved into it.

Unusual: what was asked to be written is counted and compared with what lies there, so that no short write
goes unnoticed, and the file is moved only when the disk has its bytes. Errors name the file asked for.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO
from pathlib import Path

PARTIAL = ".part"
"""End of the name a file has while it is written."""


class NewFile(BufferedWriter):
    """A binary file under way, written from start to end, which counts the bytes it was asked to hold."""

    def __init__(self, raw: FileIO):
        super().__init__(raw)
        self.asked = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of the data; returns its number of bytes."""
        self.asked += memoryview(data).nbytes
        return super().write(data)


@contextmanager
def new_file(path: str | Path) -> Iterator[NewFile]:
    """Open a binary file that takes the place of `path` at the end of the block, if nothing went wrong."""
    path = Path(path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with NewFile(FileIO(partial, "w")) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if (held := os.fstat(file.fileno()).st_size) != file.asked:
                raise OSError(errno.EIO, f"{held} of {file.asked} bytes were written", str(path))
        os.replace(partial, path)
        _sync_directory(path.parent)
    except OSError as error:
        if error.filename in (None, partial, str(partial)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        partial.unlink(missing_ok=True)


def replace_file(path: str | Path, content: bytes | str) -> None:
    """Write a file of this content, text as UTF-8, in the place of `path`."""
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _sync_directory(directory: Path) -> None:
    """Bring the names of a directory to the disk; Windows opens no directories."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
