"""What every source of training examples can do, and the errors of reading one.

A source is a *store* (how examples lie on disk: tar shards, Parquet, Arrow, files) read by a *kind* (which
record its fields make: `pretrain.sources.kinds`). Both have random access and no position of their own, so
that the order of training is decided elsewhere (`pretrain.mixture`) and resuming needs nothing from them.

Unusual: an example's `key` is a digest of what it holds, not of where it lies. A set that is copied, cut into
other shards or kept in another form gives the same keys, and so the same examples are held back.

It refuses to know seeds, orders and rates.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pretrain.sources.schema import DatasetError

_WHOLE = 1 << 20
"""Files up to this size count whole in a fingerprint."""
_BLOCKS, _BLOCK = 64, 4096


class BadRecord(DatasetError):
    """One example that cannot be read; the others can. The text names the file and the example."""


class Source(ABC):
    """A sequence of records, each read when asked for."""

    name: str
    """What the mixture calls it."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many examples there are."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Return the record at an index from 0 (`pretrain.sources.records`, or a `StoredEpisode`).

        Raises BadRecord where this one is damaged, IndexError where there is none.
        """

    @abstractmethod
    def key(self, index: int) -> str:
        """Return a digest of the example's content, whatever its place and file. Raises as `[]` does."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """What the set holds, in a word: the number of examples and a digest; its place does not count."""


def identity_of(count: int, parts: Iterable[bytes | str]) -> str:
    """Return the identity of a set of so many examples from what tells it from others, in order."""
    return f"{count} examples {digest(parts)[:16]}"


def digest(parts: Iterable[bytes | str]) -> str:
    """Return a hexadecimal digest of a list of texts and bytes; where one ends and the next begins counts."""
    found = hashlib.blake2b(digest_size=20)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.hexdigest()


def fingerprint(path: Path) -> str:
    """Return a digest of a file's size and content, of a large one of 64 blocks spread over it and its ends.

    A file that was made anew differs; one flipped byte in the middle of a large one may not be seen.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= _WHOLE:
                return digest([str(size), file.read()])
            blocks = []
            for number in range(_BLOCKS):
                file.seek(number * (size - _BLOCK) // (_BLOCKS - 1))
                blocks.append(file.read(_BLOCK))
            return digest([str(size), *blocks])
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; restore it or name another") from error


def checked_index(index: int, source: Sequence[Any] | Source) -> int:
    """Return an index from 0; IndexError for what lies outside, negative ones included."""
    if not 0 <= index < len(source):
        raise IndexError(f"example {index} of {len(source)}")
    return int(index)
