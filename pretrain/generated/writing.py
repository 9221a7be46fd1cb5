"""Records to data sets on disk, in every form that is read: for trying a form out, and for tests.

Pictures are PNG, sounds 16-bit WAV, videos FFV1 with PCM sound in Matroska: nothing but the sounds' last bits
is lost. A table has the same fields as the files of a shard, by the names in `pretrain.sources.kinds`.
"""

import io
import json
import tarfile
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pretrain.sources.films import ArrayFilm
from pretrain.sources.records import (
    CuboidsRecord,
    DenseRecord,
    DocumentRecord,
    EditRecord,
    EventsRecord,
    FlowRecord,
    ImageTextRecord,
    PeopleRecord,
    QuestionRecord,
    RegionsRecord,
    RelationsRecord,
    SceneTextRecord,
    SoundSourceRecord,
    SoundTagsRecord,
    SoundTextRecord,
    TagsRecord,
    TextRecord,
    TrackRecord,
    VideoQuestionRecord,
    VideoRecord,
    VideoTagsRecord,
    ViewsRecord,
)
from pretrain.sources.schema import DatasetError
from uio2_agent.errors import did_you_mean
from uio2_agent.media.spectrogram import RATE

_SHARD, _GROUP = 100, 50
"""Examples of a tar shard or a table's file, and of a row group."""


def write_set(root: str | Path, records: Iterable[Any], form: str) -> Path:
    """Write records of one kind into a new folder, in a form of `FORMS`; return the folder.

    Raises DatasetError for another form, a folder that exists, or records that no form here holds.
    """
    root = Path(root)
    if form not in FORMS:
        raise DatasetError(f"form {form!r} is unknown{did_you_mean(form, FORMS)}: use {', '.join(FORMS)}")
    if root.exists():
        raise DatasetError(f"{root} exists: name a new folder")
    root.mkdir(parents=True)
    FORMS[form](root, map(fields_of, records))
    return root


def fields_of(record: Any) -> dict[str, Any]:
    """Return what is stored of a record: files (bytes) by ending, and plain JSON values by name."""
    parts: dict[str, Any]
    match record:
        case TextRecord():
            return {"txt": record.text.encode()}
        case ImageTextRecord():
            return {"png": png(record.image), "txt": record.text.encode()}
        case SoundTextRecord():
            return {"wav": wav(record.wave), "txt": record.text.encode()}
        case VideoRecord(film=ArrayFilm()):
            said = {"caption": record.caption} if record.caption else {}
            spoken = {"transcript": [list(item) for item in record.transcript]} if record.transcript else {}
            return {"mkv": mkv(record.film), **said, **spoken}
        case DocumentRecord():
            images = {
                f"{place}.png": png(part)
                for place, part in enumerate(record.parts)
                if not isinstance(part, str)
            }
            texts = [part if isinstance(part, str) else None for part in record.parts]
            names = [None if isinstance(part, str) else f"{n}.png" for n, part in enumerate(record.parts)]
            return {**images, "texts": texts, "images": names}
        case ViewsRecord():
            images = {f"{place}.png": png(image) for place, image in enumerate(record.images)}
            return {**images, **({} if record.poses is None else {"poses": record.poses.tolist()})}
        case QuestionRecord():
            images = {f"{place}.png": png(image) for place, image in enumerate(record.images)}
            return {**images, "question": record.question, "answer": record.answer}
        case DenseRecord():
            parts = {"png": png(record.image), "farthest": record.farthest, "txt": record.caption.encode()}
            if record.depth is not None:
                parts["depth.png"] = png(np.rint(record.depth * 1000).astype(np.uint16))
            if record.normals is not None:
                parts["normals.png"] = png(np.rint((record.normals + 1) * 127.5).astype(np.uint8))
            return parts
        case PeopleRecord():
            return {
                "png": png(record.image),
                "boxes": record.boxes.tolist(),
                "joints": record.joints.tolist(),
            }
        case TagsRecord():
            return {"png": png(record.image), "tag": record.tag, "classes": list(record.classes)}
        case RelationsRecord():
            # as objects, since a table's column holds values of one type
            names = ("subject", "word", "object")
            found = [dict(zip(names, each, strict=True)) for each in record.relations]
            return {"png": png(record.image), "boxes": record.boxes.tolist(), "relations": found}
        case CuboidsRecord(cuboids=held):
            turns = held.rotations.reshape(-1, 9)
            numbers = np.concatenate([held.centres, held.depths[:, None], held.log_sizes, turns], axis=1)
            return {
                "png": png(record.image),
                "boxes": record.boxes.tolist(),
                "cuboids": numbers.tolist(),
            }
        case FlowRecord():
            content = io.BytesIO()
            np.save(content, record.flow)
            frames = {"before.png": png(record.before), "after.png": png(record.after)}
            return {**frames, "flow.npy": content.getvalue(), "fastest": record.fastest}
        case EditRecord():
            images = {"before.png": png(record.before), "after.png": png(record.after)}
            return {**images, "instruction": record.instruction}
        case TrackRecord():
            images = {f"{place}.png": png(image) for place, image in enumerate(record.images)}
            return {**images, "boxes": record.boxes.tolist(), "tag": record.name}
        case VideoQuestionRecord(film=ArrayFilm()):
            return {"mkv": mkv(record.film), "question": record.question, "answer": record.answer}
        case VideoTagsRecord(film=ArrayFilm()):
            return {"mkv": mkv(record.film), "tag": record.tag, "classes": list(record.classes)}
        case SoundTagsRecord():
            return {"wav": wav(record.wave), "tag": record.tag, "classes": list(record.classes)}
        case SceneTextRecord():
            return {
                "png": png(record.image),
                "boxes": record.boxes.tolist(),
                "texts": list(record.texts),
            }
        case EventsRecord(film=ArrayFilm()):
            names = ("start", "end", "phrase")
            return {
                "mkv": mkv(record.film),
                "events": [dict(zip(names, event, strict=True)) for event in record.events],
            }
        case SoundSourceRecord(film=ArrayFilm()):
            return {"mkv": mkv(record.film), "second": record.second, "boxes": record.boxes.tolist()}
        case RegionsRecord():
            parts = {"png": png(record.image), "boxes": record.boxes.tolist()}
            if record.names:
                parts["names"] = list(record.names)
            if record.masks is not None:
                numbers = np.arange(1, len(record.masks) + 1, dtype=np.uint8)[:, None, None]
                values = (record.masks * numbers).max(0, initial=0)
                parts["masks.png"] = png(values)
            return parts
    raise DatasetError(f"a {type(record).__name__} has no form here")


def png(image: np.ndarray) -> bytes:
    """Return a picture uint8 [h, w, 3] or [h, w], or uint16 [h, w], as PNG."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", compress_level=1)
    return content.getvalue()


def wav(samples: np.ndarray) -> bytes:
    """Return a wave float [samples] in [-1, 1] at 16 kHz as 16-bit WAV."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(_levels(samples).tobytes())
    return content.getvalue()


def mkv(film: ArrayFilm) -> bytes:
    """Return a video in memory as a file's content."""
    import av

    content = io.BytesIO()
    with av.open(content, "w", format="matroska") as file:
        pictures = file.add_stream("ffv1", rate=Fraction(film.fps).limit_denominator(1000))
        pictures.height, pictures.width, pictures.pix_fmt = *film.pictures.shape[1:3], "bgr0"
        sound = None if film.wave is None else file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for picture in film.pictures:
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(pictures.encode())
        if sound is not None:
            samples = av.AudioFrame.from_ndarray(_levels(film.wave)[None], "s16", "mono")
            samples.rate, samples.pts = RATE, 0
            file.mux(sound.encode(samples))
            file.mux(sound.encode())
    return content.getvalue()


def _levels(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples.astype(np.float64) * 32768).clip(-32768, 32767).astype("<i2")


def _as_files(fields: Mapping[str, Any]) -> dict[str, bytes]:
    """Files alone: what is no file stands in `json`."""
    told = {name: value for name, value in fields.items() if not isinstance(value, bytes)}
    files = {name: value for name, value in fields.items() if isinstance(value, bytes)}
    return {**files, **({"json": json.dumps(told).encode()} if told else {})}


def _as_columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Columns as tables usually have them: texts as such, numbered files as a list of structs."""
    columns = {name: value for name, value in fields.items() if not name[0].isdigit()}
    if "txt" in columns:
        columns["text"] = columns.pop("txt").decode()
    files = {name: {"bytes": value, "path": None} for name, value in fields.items() if name[0].isdigit()}
    if "images" in columns:
        columns["images"] = [files.get(name) for name in columns["images"]]
    elif files:
        columns["images"] = list(files.values())
    if "transcript" in columns:
        columns["transcript"] = [{"second": time, "text": words} for time, words in columns["transcript"]]
    if "png" in columns:
        columns["image"] = {"bytes": columns.pop("png"), "path": None}
    return columns


def _write_tar(root: Path, examples: Iterator[Mapping[str, Any]]) -> None:
    number = 0
    for shard, part in enumerate(_parts(examples)):
        with tarfile.open(root / f"{shard:06d}.tar", "w") as archive:
            for fields in part:
                for name, content in _as_files(fields).items():
                    member = tarfile.TarInfo(f"{number:08d}.{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                number += 1


def _write_files(root: Path, examples: Iterator[Mapping[str, Any]]) -> None:
    for number, fields in enumerate(examples):
        for name, content in _as_files(fields).items():
            (root / f"{number:08d}.{name}").write_bytes(content)


def _write_parquet(root: Path, examples: Iterator[Mapping[str, Any]]) -> None:
    for file, table in enumerate(_tables(examples)):
        path = root / f"part-{file:05d}.parquet"
        pq.write_table(table, path, row_group_size=_GROUP, write_page_checksum=True)


def _write_arrow(root: Path, examples: Iterator[Mapping[str, Any]]) -> None:
    names = []
    for file, table in enumerate(_tables(examples)):
        names.append(f"data-{file:05d}.arrow")
        with pa.OSFile(str(root / names[-1]), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=_GROUP)
    state = {"_data_files": [{"filename": name} for name in names], "_indices_data_files": None}
    (root / "state.json").write_text(json.dumps(state))
    (root / "dataset_info.json").write_text("{}")


def _tables(examples: Iterator[Mapping[str, Any]]) -> Iterator[pa.Table]:
    for part in _parts(examples):
        yield pa.Table.from_pylist(_full([_as_columns(fields) for fields in part]))


def _parts(examples: Iterator[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    while part := list(islice(examples, _SHARD)):
        yield part


def _full(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that all have the columns of any."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


FORMS: Mapping[str, Callable[[Path, Iterator[Mapping[str, Any]]], None]] = {
    "tar": _write_tar,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
    "files": _write_files,
}
"""Form of a set to what writes it."""
