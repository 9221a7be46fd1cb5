"""The records of a store: fields found by their names, files read, and what is damaged told.

Unusual: a record's `key` is made of its parts before they are decoded, under the names of `kinds`, so that it
is the same in whatever form the set is kept.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.sources.file_folders import IMAGES
from pretrain.sources.kinds import KINDS, NAMES
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, Source, checked_index, digest
from pretrain.sources.store import Store
from uio2_agent.errors import described, did_you_mean, offered


class RecordSource(Source):
    """The records of a store.

    Arguments:
        columns: part to the field that holds it, where the names above do not find it.

    Raises DatasetError for an unknown kind or part.
    """

    def __init__(self, name: str, store: Store, kind: str, columns: Mapping[str, str] | None = None):
        if kind not in KINDS:
            meant = did_you_mean(kind, KINDS)
            raise DatasetError(f"source {name}: kind {kind!r} is unknown{meant}: use {offered(kind, KINDS)}")
        self.name, self.kind, self._store = name, kind, store
        parts = (*KINDS[kind].needs, *KINDS[kind].may)
        self._fields = {part: NAMES[part] for part in parts}
        self._last: tuple[int, dict[str, Any]] | None = None  # a record is read after its key
        for part, field in (columns or {}).items():
            if part not in parts:
                raise DatasetError(f"source {name}: {kind} has no part {part!r}: use {offered(part, parts)}")
            self._fields[part] = (field,)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def __repr__(self) -> str:
        return f"RecordSource({self.name}: {len(self)} of {self.kind})"

    def __len__(self) -> int:
        return len(self._store)

    def __getitem__(self, index: int) -> Any:
        """Return the record at an index; BadRecord where it lacks a part or one is damaged."""
        parts = self._parts(index)
        try:
            return KINDS[self.kind].record(parts)
        except Exception as error:  # damaged bytes make a decoder do anything at all
            raise BadRecord(
                f"{self._store.where(index)} is damaged ({described(error)}): restore it or take it out"
            ) from error

    def key(self, index: int) -> str:
        """Return a digest of the example's parts."""
        return digest(piece for item in sorted(self._parts(index).items()) for piece in _pieces(item))

    @cached_property
    def identity(self) -> str:
        """The store's identity, and the kind."""
        return f"{self._store.identity} {self.kind}"

    def _parts(self, index: int) -> dict[str, Any]:
        index = checked_index(index, self)
        if self._last is None or self._last[0] != index:
            self._last = index, self._read(index)
        return self._last[1]

    def _read(self, index: int) -> dict[str, Any]:
        fields = dict(self._store.fields(index))
        where = self._store.where
        if "json" in fields:
            try:
                told = json.loads(_content(fields["json"]))
                fields = {**told, **fields} if isinstance(told, Mapping) else fields
            except (ValueError, OSError, RecursionError) as error:
                raise BadRecord(f"{where(index)} has a json that cannot be read ({error})") from error
        parts: dict[str, Any] = {}
        for part, names in self._fields.items():
            found = next((fields[name] for name in names if name in fields), None)
            if found is None and part == "images":
                found = _numbered(fields)
            if found is not None:
                try:
                    parts[part] = _settled(found, fields, is_text=part in ("text", "texts", "names"))
                    if part == "transcript":
                        parts[part] = _said(parts[part])
                except (OSError, ValueError, KeyError, TypeError) as error:
                    raise BadRecord(f"{where(index)} has no usable {part} ({described(error)})") from error
        needed = (part for part in KINDS[self.kind].needs if part not in parts)
        if missing := next(needed, None):
            raise BadRecord(
                f"{where(index)} has no {missing} (looked for {', '.join(self._fields[missing])}; there are "
                f"{offered(missing, fields) or 'no fields'}): say columns={{{missing}: …}}"
            )
        return parts


def _settled(value: Any, fields: Mapping[str, Any], is_text: bool = False) -> Any:
    """Return a part as bytes, text, numbers or lists of such: files read, names of fields followed."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_settled(item, fields, is_text) for item in value]
    if isinstance(value, Mapping) and {"bytes", "path"} & set(value):  # as Hugging Face keeps media
        return value["bytes"] if value.get("bytes") is not None else Path(value["path"]).read_bytes()
    if isinstance(value, Path):
        value = value.read_bytes()
    if is_text:
        return value.decode() if isinstance(value, bytes) else value
    return _content(fields[value]) if isinstance(value, str) and value in fields else value


def _said(transcript: Sequence[Any]) -> list[list[Any]]:
    """Return second and words of each item of a transcript, a pair or a mapping of `second` and `text`."""
    pairs = [(item["second"], item["text"]) if isinstance(item, Mapping) else item for item in transcript]
    return [[float(second), str(words)] for second, words in pairs]


def _content(value: Any) -> Any:
    return value.read_bytes() if isinstance(value, Path) else value


def _numbered(fields: Mapping[str, Any]) -> list[Any] | None:
    """Return the files 0.png, 1.png, … in order; None where there are none."""
    names = [name for name in fields if name.partition(".")[0].isdigit() and name.endswith(IMAGES)]
    return [fields[name] for name in sorted(names, key=lambda name: int(name.partition(".")[0]))] or None


def _pieces(value: Any) -> list[bytes | str]:
    """Flatten a part for a digest; how lists are nested counts."""
    if isinstance(value, bytes | str):
        return [value]
    if isinstance(value, list | tuple):
        return [f"[{len(value)}", *(piece for item in value for piece in _pieces(item))]
    if isinstance(value, Mapping):
        return _pieces(sorted(value.items()))
    return [repr(value)]
