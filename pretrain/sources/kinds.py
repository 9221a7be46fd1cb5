"""What fields mean: the kinds of examples, where each looks for its parts, and the records they make.

| kind | parts (names of fields, the first that is there counts) | record |
| --- | --- | --- |
| text | text | TextRecord |
| image_text | image, text | ImageTextRecord |
| sound_text | sound, text | SoundTextRecord |
| video | video; text or transcript, if any | VideoRecord |
| document | texts and images, lists of one length: at each place one of the two | DocumentRecord |
| views | images; poses, if any | ViewsRecord |
| regions | image; boxes (y1 x1 y2 x2) with names and masks, if any, or SA-1B's annotations | RegionsRecord |

Fields are files of a tar shard or a folder, by ending, or columns of a table. The keys of a `json` file are
fields too. A list of images is a column, or the files `0.png`, `1.png`, …; an entry may also name a field.
`columns=` says where a part lies that has a name of its own.

A transcript is a list of [second, words], or of `second` and `text`.

Unusual: a record's `key` is made of its parts before they are decoded, under the names above, so that it is
the same in whatever form the set is kept.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pretrain.sources import masks
from pretrain.sources.file_folders import IMAGES, SOUNDS, VIDEOS
from pretrain.sources.films import EncodedFilm
from pretrain.sources.records import (
    DocumentRecord,
    ImageTextRecord,
    RegionsRecord,
    SoundTextRecord,
    TextRecord,
    VideoRecord,
    ViewsRecord,
)
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, Source, checked_index, digest
from pretrain.sources.store import Store
from uio2_agent.errors import described, did_you_mean, offered
from uio2_agent.media.audio import read_audio
from uio2_agent.media.loading import load_image
from uio2_agent.media.pixels import picture_to_rgb

_TEXT = ("text", "txt", "caption", "content")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": _TEXT,
    "image": ("image", *IMAGES, "img"),
    "sound": ("sound", *SOUNDS, "audio"),
    "video": ("video", *VIDEOS),
    "transcript": ("transcript",),
    "texts": ("texts", "paragraphs"),
    "images": ("images",),
    "poses": ("poses",),
    "boxes": ("boxes",),
    "names": ("names", "labels"),
    "masks": ("masks", "masks.png"),
    "annotations": ("annotations",),
}
"""Part to the fields that may hold it."""


@dataclass(frozen=True)
class Kind:
    """A kind of examples: the parts it needs, those it may have, and how they make a record."""

    needs: tuple[str, ...]
    may: tuple[str, ...]
    record: Callable[[Mapping[str, Any]], Any]
    """Parts to the record; any exception means that they are damaged."""


def fields_of(kind: str, columns: Mapping[str, str] | None = None) -> list[str]:
    """Return all fields that a kind looks for: the columns of a table that are worth reading."""
    parts = (*KINDS[kind].needs, *KINDS[kind].may)
    return [name for part in parts for name in _NAMES[part]] + list((columns or {}).values()) + ["json"]


class RecordSource(Source):
    """The records of a store.

    Arguments
        columns: part to the field that holds it, where the names above do not find it.

    Raises DatasetError for an unknown kind or part.
    """

    def __init__(self, name: str, store: Store, kind: str, columns: Mapping[str, str] | None = None):
        if kind not in KINDS:
            meant = did_you_mean(kind, KINDS)
            raise DatasetError(f"source {name}: kind {kind!r} is unknown{meant}: use {offered(kind, KINDS)}")
        self.name, self.kind, self._store = name, kind, store
        parts = (*KINDS[kind].needs, *KINDS[kind].may)
        self._fields = {part: _NAMES[part] for part in parts}
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


def _picture(value: Any) -> np.ndarray:
    if isinstance(value, bytes):
        with Image.open(io.BytesIO(value)) as picture:
            return picture_to_rgb(picture)
    if isinstance(value, str):
        raise ValueError(f"{value!r} is an address or a name, not a picture: fetch the pictures first")
    return load_image(np.asarray(value))


def _text(parts: Mapping[str, Any]) -> TextRecord:
    return TextRecord(_filled(parts["text"]))


def _filled(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "its text is empty" if isinstance(text, str) else f"its text is {type(text).__name__}"
        )
    return text


def _image_text(parts: Mapping[str, Any]) -> ImageTextRecord:
    return ImageTextRecord(_picture(parts["image"]), _filled(parts["text"]))


def _sound_text(parts: Mapping[str, Any]) -> SoundTextRecord:
    return SoundTextRecord(read_audio(parts["sound"], what="the sound"), _filled(parts["text"]))


def _video(parts: Mapping[str, Any]) -> VideoRecord:
    said = tuple((second, words) for second, words in parts.get("transcript", ()))
    if [second for second, _ in said] != sorted(second for second, _ in said):
        raise ValueError("its transcript is not in order of time")
    return VideoRecord(EncodedFilm(parts["video"]), str(parts.get("text", "")), said)


def _document(parts: Mapping[str, Any]) -> DocumentRecord:
    texts, images = parts["texts"], parts["images"]
    if len(texts) != len(images):
        raise ValueError(f"it has {len(texts)} texts and {len(images)} images: one of both at each place")
    found = []
    for text, image in zip(texts, images, strict=True):
        if (text is None) == (image is None):
            raise ValueError("a place of it holds both a text and an image, or neither")
        found.append(_picture(image) if text is None else _filled(text))
    return DocumentRecord(tuple(found))


def _views(parts: Mapping[str, Any]) -> ViewsRecord:
    images = tuple(_picture(image) for image in parts["images"])
    poses = parts.get("poses")
    if poses is not None:
        poses = np.asarray(poses, np.float64)
        if poses.shape != (len(images), 3) or not np.isfinite(poses).all():
            raise ValueError(f"{len(images)} views have poses {list(poses.shape)}, not three numbers each")
    return ViewsRecord(images, poses)


def _regions(parts: Mapping[str, Any]) -> RegionsRecord:
    image = _picture(parts["image"])
    size = image.shape[:2]
    found = None
    if "annotations" in parts:
        found = masks.from_annotations(parts["annotations"], size)
    elif "masks" in parts:
        found = masks.from_picture(parts["masks"], size)
    boxes = masks.boxes_of(found) if "boxes" not in parts else np.asarray(parts["boxes"], np.float32)
    boxes = boxes.reshape(-1, 4)
    names: Sequence[str] = tuple(parts.get("names", ()))
    if len(names) not in (0, len(boxes)) or (found is not None and len(found) != len(boxes)):
        raise ValueError(
            f"{len(boxes)} boxes, {len(names)} names and {'no' if found is None else len(found)} masks"
        )
    return RegionsRecord(image, boxes, names, found)


KINDS: Mapping[str, Kind] = {
    "text": Kind(("text",), (), _text),
    "image_text": Kind(("image", "text"), (), _image_text),
    "sound_text": Kind(("sound", "text"), (), _sound_text),
    "video": Kind(("video",), ("text", "transcript"), _video),
    "document": Kind(("texts", "images"), (), _document),
    "views": Kind(("images",), ("poses",), _views),
    "regions": Kind(("image",), ("boxes", "names", "masks", "annotations"), _regions),
}
