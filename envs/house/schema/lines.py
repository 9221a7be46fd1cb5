"""Many houses in one file, .jsonl or .jsonl.gz, read one at a time.

The file is gone through once, for where each line begins. Unusual: gzip cannot be entered in the middle, so
the state of the decompressor is kept every few megabytes; a house costs the way from there, some hundredths
of a second, and ten thousand houses a few megabytes of memory.
"""

import gzip
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.house.errors import HouseError
from envs.house.schema.reading import MAX_FILE_BYTES, json_of, parse_house, text_of, unreadable
from envs.house.schema.records import House

_READ, _BLOCK = 1 << 16, 1 << 20
"""Bytes that are read, and that are unpacked, at a time."""
_APART = 4 << 20
"""Unpacked bytes between two kept states."""
_ROOM = b'"roomType"'
"""What each room of a house has once, and nothing else."""


class HouseLines:
    """The houses of a file, one a line; empty lines do not count.

    Raises HouseError for a file that cannot be read, and, when it is asked for, for a line that is no house.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._packed = self.path.suffix == ".gz"
        self._states: list[tuple[int, int, Any]] = []  # (unpacked bytes before, packed bytes before, state)
        self._lines: list[tuple[int, int, int, int]] = []  # (number, start, length, rooms)
        try:
            self._index()
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self.path, error) from error

    def __len__(self) -> int:
        return len(self._lines)

    def rooms(self, index: int) -> int:
        """Return how many rooms a house has, without reading it."""
        return self._lines[index][3]

    def house(self, index: int) -> House:
        """Read the house of a place."""
        number, start, length, _ = self._lines[index]
        source = f"{self.path}, line {number}"
        try:
            line = self._bytes(start, length)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self.path, error) from error
        return parse_house(json_of(text_of(line, source), source), source)

    def _index(self) -> None:
        number, start, length, rooms, blank, tail = 1, 0, 0, 0, True, b""

        def end() -> None:
            if not blank:
                self._lines.append((number, start, length, rooms))

        for block in self._blocks():
            pieces = block.split(b"\n")
            for place, piece in enumerate(pieces):
                if place:
                    end()
                    number, start = number + 1, start + length + 1
                    length, rooms, blank, tail = 0, 0, True, b""
                length += len(piece)
                if length > MAX_FILE_BYTES:
                    said = f"more than {MAX_FILE_BYTES >> 20} MiB; no house is that large"
                    raise HouseError(f"{self.path}, line {number}: {said}")
                looked = tail + piece  # the word may lie across two blocks
                rooms += looked.count(_ROOM)
                tail = looked[-len(_ROOM) + 1 :]
                blank = blank and not piece.strip()
        end()

    def _blocks(self) -> Iterator[bytes]:
        """The unpacked file in order; keeps states on the way."""
        with open(self.path, "rb") as file:
            if not self._packed:
                while block := file.read(_BLOCK):
                    yield block
                return
            if file.read(2) != b"\x1f\x8b":
                raise gzip.BadGzipFile
            file.seek(0)
            done, first = 0, zlib.decompressobj(31)
            self._states.append((0, 0, first.copy()))
            for block, state in _unpacked(file, first):
                done += len(block)
                if state is not None and done - self._states[-1][0] >= _APART:
                    self._states.append((done, file.tell(), state.copy()))
                yield block

    def _bytes(self, start: int, length: int) -> bytes:
        with open(self.path, "rb") as file:
            if not self._packed:
                file.seek(start)
                return file.read(length)
            place = bisect_right(self._states, start, key=lambda kept: kept[0]) - 1
            done, packed, state = self._states[place]
            file.seek(packed)
            found = bytearray()
            for block, _ in _unpacked(file, state.copy()):
                found += block
                if done + len(found) >= start + length:
                    break
            return bytes(found[start - done : start - done + length])


def _unpacked(file: Any, state: Any) -> Iterator[tuple[bytes, Any]]:
    """Yield what a gzip file holds from where it stands, in blocks, each with the decompressor if one could
    go on from there with what the file brings next, else None.
    """
    while True:
        packed = file.read(_READ)
        if not packed:
            if not state.eof:
                raise EOFError("it ends in the middle")
            return
        while packed:
            if state.eof:  # another member follows, or padding
                if not packed.strip(b"\0"):
                    break
                state = zlib.decompressobj(31)
            block = state.decompress(packed, _BLOCK)
            packed = state.unconsumed_tail or state.unused_data
            yield block, None if packed or state.eof else state
