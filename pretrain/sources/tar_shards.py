"""WebDataset shards: tar files whose neighbouring members of one stem are one example, with random access.

    000000.tar:  a.jpg  a.txt  b.jpg  b.txt …        fields of the first example: jpg, txt
    000000.tar.index.npz                             where each member lies; made once, beside the shard

A name is cut at the first dot of its last part, as WebDataset does: `dir/doc.0.jpg` is field `0.jpg` of
`dir/doc`. Unusual: the index holds numbers only (some 20 bytes a member) and names are read from the shard
when an error needs them, so that a hundred million examples fit into memory. A shard that is cut off, or
damaged at a member's header, gives the examples before and one that is bad in place of the rest, so that the
loss is counted and named. Where the folder cannot be written, the index is made at every start.

It refuses to know what the fields mean.
"""

import contextlib
import io
import os
import tarfile
import zipfile
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from pretrain.sources.paths import expanded
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, checked_index, fingerprint, identity_of
from pretrain.sources.store import Store
from uio2_agent.files import replace_file

INDEX_ENDING = ".index.npz"
_VERSION = 1
_SECTOR = 512
_LOST = -1
"""Size of the one member that stands for what a damaged shard has lost."""


@dataclass(frozen=True)
class _Index:
    """Where the members of a shard lie. Arrays over members, but `ends`, which is over examples."""

    mark: str
    """The shard's fingerprint when the index was made."""
    endings: tuple[str, ...]
    """What the members' names end with, each once."""
    ending: np.ndarray
    header: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    ends: np.ndarray
    """Member after the last of each example."""


class TarShards(Store):
    """The examples of tar files, in order of the files' names.

    Arguments:
        paths: a folder of *.tar files, a pattern (`shards/*.tar`, `{000..127}.tar`), or files.

    Raises DatasetError when there is none, or one is compressed or no tar file.
    """

    def __init__(self, paths: str | Path | Sequence[str | Path]):
        self.shards = expanded(paths, "*.tar", "tar shards")
        self._indices = [_index(shard) for shard in self.shards]
        self._ends = list(accumulate(len(index.ends) for index in self._indices))
        if not self._ends[-1]:
            raise DatasetError(f"{self.shards[0]} and its like hold no examples: name other shards")
        self._handles: dict[int, int] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_handles": {}}

    def __del__(self) -> None:
        for handle in self.__dict__.get("_handles", {}).values():
            os.close(handle)

    def __len__(self) -> int:
        return self._ends[-1]

    def fields(self, index: int) -> dict[str, bytes]:
        """Return the members of an example: what follows the first dot of the name, and the content."""
        shard, members = self._members(index)
        found, handle = self._indices[shard], self._handle(shard)
        fields = {}
        for member in members:
            size, offset = int(found.size[member]), int(found.offset[member])
            content = b"" if size == _LOST else os.pread(handle, size, offset)
            if len(content) != size:
                raise BadRecord(f"{self.where(index)} is damaged or cut off: copy the shard again")
            fields[found.endings[found.ending[member]]] = content
        return fields

    def where(self, index: int) -> str:
        """Return the shard and the example's name in it."""
        shard, members = self._members(index)
        found = self._indices[shard]
        first = members[0]
        if found.size[first] == _LOST:
            return f"{self.shards[shard]}, from byte {found.header[first]} on,"
        handle = self._handle(shard)
        header = os.pread(handle, int(found.offset[first] - found.header[first]), int(found.header[first]))
        try:
            name = _stem(tarfile.TarInfo.frombuf(header[-_SECTOR:], "utf-8", "replace").name)[0]
        except tarfile.HeaderError:
            name = f"example at byte {found.header[first]}"
        return f"{self.shards[shard]}, {name},"

    @cached_property
    def identity(self) -> str:
        """The number of examples and a digest of the shards' content and of where their members lie."""
        parts = [
            part
            for index in self._indices
            for part in (index.mark, index.offset.tobytes(), index.size.tobytes(), " ".join(index.endings))
        ]
        return identity_of(len(self), parts)

    def _members(self, index: int) -> tuple[int, range]:
        index = checked_index(index, self)
        shard = bisect(self._ends, index)
        ends = self._indices[shard].ends
        place = index - (self._ends[shard - 1] if shard else 0)
        return shard, range(int(ends[place - 1]) if place else 0, int(ends[place]))

    def _handle(self, shard: int) -> int:
        if shard not in self._handles:
            try:
                self._handles[shard] = os.open(self.shards[shard], os.O_RDONLY)
            except OSError as error:
                raise DatasetError(f"cannot read {self.shards[shard]}: {error.strerror}") from error
        return self._handles[shard]


def _stem(name: str) -> tuple[str, str]:
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _index(shard: Path) -> _Index:
    """Return the index of a shard from beside it; make it, and keep it if that is allowed."""
    mark = fingerprint(shard)
    place = shard.with_name(shard.name + INDEX_ENDING)
    if (found := _kept(place, mark)) is not None:
        return found
    made = _made(shard, mark)
    arrays = {name: value for name, value in vars(made).items() if isinstance(value, np.ndarray)}
    content = io.BytesIO()
    np.savez(content, version=_VERSION, mark=mark, endings=np.array(made.endings, np.str_), **arrays)
    with contextlib.suppress(OSError):  # a folder of others
        replace_file(place, content.getvalue())
    return made


def _kept(place: Path, mark: str) -> _Index | None:
    """Return the index in a file, or None where there is none of this very shard."""
    try:
        with np.load(place, allow_pickle=False) as kept:
            if int(kept["version"]) != _VERSION or str(kept["mark"]) != mark:
                return None
            arrays = {name: kept[name] for name in ("ending", "header", "offset", "size", "ends")}
            return _Index(mark, tuple(kept["endings"].tolist()), **arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None


def _made(shard: Path, mark: str) -> _Index:
    endings: dict[str, int] = {}
    members: list[tuple[int, int, int, int]] = []
    ends: list[int] = []
    last = None
    try:
        with tarfile.open(shard, "r:") as archive:
            damage, at = None, 0
            try:
                for member in archive:
                    archive.members = []  # it would keep them all
                    at = archive.offset
                    if not member.isreg():
                        continue
                    if member.issparse():
                        raise DatasetError(f"{shard} holds a sparse file, {member.name}: pack it as it is")
                    stem, ending = _stem(member.name)
                    if members and stem != last:
                        ends.append(len(members))
                    last = stem
                    place = endings.setdefault(ending, len(endings))
                    members.append((place, member.offset, member.offset_data, member.size))
                with shard.open("rb") as file:  # tarfile takes a damaged header for the end
                    file.seek(at)
                    damage = at if file.read(_SECTOR).strip(b"\0") else None
            except tarfile.ReadError:
                damage = at
    except (tarfile.TarError, OSError) as error:
        raise DatasetError(
            f"{shard} is no tar file ({error}): decompress it if it is compressed, which allows no random "
            "access, or copy it again"
        ) from error
    if members:
        ends.append(len(members))
    if damage is not None:
        members.append((endings.setdefault("", len(endings)), damage, damage, _LOST))
        ends.append(len(members))
    table = np.array(members, np.int64).reshape(-1, 4)
    return _Index(
        mark,
        tuple(endings),
        table[:, 0].astype(np.uint16),
        *table[:, 1:].T.copy(),
        ends=np.array(ends, np.int64),
    )
