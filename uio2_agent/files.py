"""Files that appear whole or not at all: written beside their place, then moved into it.

Unusual: what was asked to be written is counted and compared with what lies there, so that no short write
goes unnoticed, and the file is moved only when the disk has its bytes. Errors name the file asked for.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path

from uio2_agent.syncing import sync, sync_all

PARTIAL = ".part"
"""End of the name a file has while it is written."""


class NewFile(BufferedWriter):
    """A binary file under way, written from start to end, which counts the bytes it was asked to hold."""

    def __init__(self, raw: FileIO):
        super().__init__(raw)
        self.asked = 0
        self.failure: OSError | None = None
        """Of the first write that went wrong: who writes may raise something else for it, as torch does."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of the data; returns its number of bytes."""
        self.asked += memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def overwrite(self, place: int, data: bytes) -> None:
        """Put other bytes in the place of ones that were written."""
        end = self.tell()
        self.seek(place)
        super().write(data)
        self.seek(end)


@contextmanager
def new_file(path: str | Path) -> Iterator[NewFile]:
    """Open a binary file that takes the place of `path` at the end of the block, if nothing went wrong."""
    path = Path(path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        with NewFile(FileIO(partial, "w")) as file:
            try:
                yield file
            except RuntimeError as error:
                raise file.failure or error from None
            _settle(file, path)
        os.replace(partial, path)
        sync(path.parent)
    except OSError as error:
        if error.filename in (None, partial, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def replace_file(path: str | Path, content: bytes | str) -> None:
    """Write a file of this content, text as UTF-8, in the place of `path`."""
    with new_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def replace_files(files: Mapping[Path, bytes]) -> None:
    """Write several files, folders and all, then move them into their places in this order.

    None is moved before all are on the disk, so that a crash leaves each of them whole, old or new, and those
    that were moved are the first ones.
    """
    partials = {path: path.with_name(path.name + PARTIAL) for path in files}
    folders = dict.fromkeys(path.parent for path in files)
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            with NewFile(FileIO(partials[path], "w")) as file:
                file.write(content)
                _flush(file, path)
        sync_all(list(partials.values()))
        for path, partial in partials.items():
            os.replace(partial, path)
        sync_all(list(folders))
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def append_line(path: str | Path, line: str) -> None:
    """Add a line to a file; where it cannot be written whole, the file is as long as before.

    Raises OSError naming the file.
    """
    content = line.encode() + b"\n"
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        try:
            if (held := file.write(content)) != len(content):
                raise OSError(errno.ENOSPC, f"{held} of {len(content)} bytes were written", str(path))
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                file.truncate(before)
            error.filename = str(path)
            raise


@contextmanager
def new_path(path: str | Path) -> Iterator[Path]:
    """Give a name beside `path` for others to write to; at the end of the block the file takes its place."""
    path = Path(path)
    partial = path.with_name(f"{PARTIAL}-{path.name}")  # the ending tells others the format
    try:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _settle(file: NewFile, path: Path) -> None:
    """Bring a file to the disk; OSError naming `path` where not all of it lies there."""
    _flush(file, path)
    os.fsync(file.fileno())


def _flush(file: NewFile, path: Path) -> None:
    """Hand all bytes to the system; OSError naming `path` where it has not all of them."""
    file.flush()
    if (held := os.fstat(file.fileno()).st_size) != file.asked:
        raise OSError(errno.EIO, f"{held} of {file.asked} bytes were written", str(path))
