"""The layout of our trajectory datasets: LeRobot v3.0 folders with one set of files per episode.

This page names every file, feature and column once; the writer (`rollouts.datasets.writer`) and the reader
(`pretrain.sources.lerobot`) both import it, so they cannot drift apart.

What is unusual: each episode has a data file, a metadata file and two final pictures of its own (legal v3.0:
a reader globs the files), so that an episode is published by a few atomic renames. Per-episode facts that
LeRobot has no place for are further columns of the metadata row, which its reader keeps. The same facts stand
in one line of an index: ten thousand parquet footers take half a minute to read, ten thousand lines a
fraction of a second.

    meta/info.json  meta/stats.json  meta/tasks.parquet      rewritten (atomically) with every episode
    meta/uio2_agent.json                                     how the set was made; `collect` resumes by it
    meta/uio2_episodes.jsonl                                 one line per published episode: what counts
    meta/errors.jsonl                                        work that ended in an exception: never an episode
    meta/dropped.jsonl                                       work whose episode was not to be kept
    meta/episodes/chunk-000/file-000.parquet                 one row: the episode
    data/chunk-000/file-000.parquet                          T rows: the frames an action was taken in
    final/chunk-000/file-000-<view>.png                      the observation after the last action
    prompts/<2 hex>/<hash>.png                               prompt pictures, named by content, stored once
    maps/chunk-000/file-000.jpg, .json                       the floor from above, where there is a map of it

`uio2 dataset compact` joins the data files: an episode is a row group then, and its index line says which
(`place`: chunk, file, group).

Which cameras, which sizes, what state and action: a set's `Record` says it, the features follow from it.

It refuses to know simulators and training. Source: LeRobot's dataset format v3.0.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from policies import embodiments
from policies.embodiments.base import Record
from uio2_agent.errors import UIO2Error

CODEBASE_VERSION = "v3.0"
FORMAT = 5
"""Of our own columns. 1 lacked the boxes and `named_prompt`, 2 `embodiment` and `suite` and the
record, 3 what the expert would have done, 4 had other names for texts: readable, but not continued."""
OLDER_NAMES = {"observation.objects": "scene.objects", "observation.boxes": "scene.boxes"}
"""Columns of format 4 and before → what they are called now: LeRobot's trainers take every feature whose name
begins with `observation.` for numbers."""
NEWER_COLUMNS = ("scene.boxes", "named_prompt", "embodiment", "suite", "action.expert", "has_expert")
"""What sets of older formats lack."""
CHUNK_SIZE = 1000
FIRST_HELD_OUT_SEED = 5_000_000
"""Seeds from here on are for evaluation: neither collected nor trained on."""

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FINAL_PATH = "final/chunk-{chunk_index:03d}/file-{file_index:03d}-{view}.png"
MAP_PATH = "maps/chunk-{chunk_index:03d}/file-{file_index:03d}.{kind}"
INFO_PATH, STATS_PATH, TASKS_PATH = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
PROVENANCE_PATH, ERRORS_PATH = "meta/uio2_agent.json", "meta/errors.jsonl"
DROPPED_PATH = "meta/dropped.jsonl"
INDEX_PATH = "meta/uio2_episodes.jsonl"


class DatasetError(UIO2Error):
    """A dataset folder that cannot be read, written or continued as asked."""


def image_key(camera: str) -> str:
    """Return the feature that holds a camera's pictures."""
    return f"observation.images.{camera}"


def features(record: Record) -> dict[str, dict[str, Any]]:
    """Return the features of a set of such episodes, as `info.json` holds them."""
    return {
        # in the data files: struct<bytes, path> with PNG bytes
        **{
            image_key(camera): _feature("image", (*size, 3), ["height", "width", "channels"])
            for camera, size in record.cameras.items()
        },
        **({"observation.state": _numbers(record.state)} if record.state else {}),
        # JSON list of {id, name, texture, position, boxes: {camera: box | null}, …} as the embodiment tells,
        # box = [first row, first column, last row, last column] in pixels, inclusive
        "scene.objects": _feature("string", (1,)),
        # derived from it, UIO-2's boxes as input or as prediction: `y1 x1 y2 x2 texture name` of each object
        # in location tokens, in the picture of the embodiment's own style
        "scene.boxes": _feature("string", (1,)),
        "action": _numbers(record.action),
        "action.text": _feature("string", (1,)),  # the executed action in the model's action language
        # what the expert would have done in place of another policy, in the same language; "" where it was
        # not asked or knew nothing
        "action.expert": _feature("string", (1,)),
        # JSON list of the ids a model answered with at this step; "" when a script acted. A string, because
        # the length varies; episode column `vocabulary_hash` says which vocabulary the ids belong to.
        "action.tokens": _feature("string", (1,)),
        "next.reward": _feature("float32", (1,)),
        "next.done": _feature("bool", (1,)),
        "next.success": _feature("bool", (1,)),
        "next.truncated": _feature("bool", (1,)),
        # the five columns LeRobot expects everywhere
        "timestamp": _feature("float32", (1,)),
        "frame_index": _feature("int64", (1,)),
        "episode_index": _feature("int64", (1,)),
        "index": _feature("int64", (1,)),
        "task_index": _feature("int64", (1,)),
    }


RANK_COLUMNS = ("episode_index", "index", "task_index")
"""Columns that depend on an episode's rank: filled in when it is published."""

EPISODE_COLUMNS: dict[str, pa.DataType] = {
    "embodiment": pa.string(),
    "suite": pa.string(),  # as `env=` takes it
    "env_id": pa.string(),
    "env_kwargs": pa.string(),  # JSON; with `seed` and the actions all that a replay needs
    "task_name": pa.string(),
    "level": pa.string(),
    "seed": pa.int64(),
    "work_index": pa.int64(),  # place in the work list, of which `success_only` drops some
    "status": pa.string(),  # success | failure | truncated
    "success": pa.bool_(),
    "failure": pa.bool_(),
    "has_expert": pa.bool_(),  # whether action.expert says anything
    "prompt": pa.string(),  # with {placeholders}
    "named_prompt": pa.string(),  # derived, UIO-2's pure text: names for object placeholders, {scenes} stay
    "prompt_assets": pa.string(),  # JSON: name -> {placeholder_type, obj_info, rgb, segm: {view: path}}
    "final_objects": pa.string(),  # JSON as scene.objects, after the last action
    "policy": pa.string(),
    "vocabulary_hash": pa.string(),  # "" without tokens
    "git_sha": pa.string(),
}

INDEX_COLUMNS = ("episode_index", "tasks", "length", "dataset_to_index", *EPISODE_COLUMNS)
"""What a line of the index holds."""

_PYTHON = {pa.string(): str, pa.int64(): int, pa.bool_(): bool}
_INDEX_TYPES: dict[str, type] = {
    **{"episode_index": int, "tasks": list, "length": int, "dataset_to_index": int},
    **{name: _PYTHON[kind] for name, kind in EPISODE_COLUMNS.items() if name not in NEWER_COLUMNS},
}
WORK: dict[str, type] = {"work_index": int}
"""What a line about work holds at least."""

STATISTICS = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


class Layout:
    """Features and Arrow schemas of the sets of a record."""

    def __init__(self, record: Record):
        self.record = record
        self.features = features(record)
        images = [image_key(camera) for camera in record.cameras]
        state = ["observation.state"] if record.state else []
        self.statistic_keys = (*images, *state, "action", "next.reward")
        """Features with statistics. Counters and flags have none: nobody normalises them, each costs ten
        columns."""

    @cached_property
    def data(self) -> pa.Schema:
        """Of the data files."""
        types = {key: _huggingface_type(feature) for key, feature in self.features.items()}
        metadata = {"huggingface": json.dumps({"info": {"features": types}})}
        columns = [(key, _arrow_type(feature)) for key, feature in self.features.items()]
        return pa.schema(columns, metadata=metadata)

    @cached_property
    def episodes(self) -> pa.Schema:
        """Of the metadata files."""
        columns: list[tuple[str, pa.DataType]] = [
            ("episode_index", pa.int64()),
            ("tasks", pa.list_(pa.string())),
            ("length", pa.int64()),
            ("data/chunk_index", pa.int64()),
            ("data/file_index", pa.int64()),
            ("dataset_from_index", pa.int64()),
            ("dataset_to_index", pa.int64()),
            ("meta/episodes/chunk_index", pa.int64()),
            ("meta/episodes/file_index", pa.int64()),
            *EPISODE_COLUMNS.items(),
        ]
        for key in self.statistic_keys:
            values = pa.list_(pa.float64())
            if self.features[key]["dtype"] == "image":
                values = pa.list_(pa.list_(values))  # (3, 1, 1)
            for statistic in STATISTICS:
                columns.append(
                    (f"stats/{key}/{statistic}", pa.list_(pa.int64()) if statistic == "count" else values)
                )
        return pa.schema(columns)


def layout(record: Record) -> Layout:
    """Return the layout of a record; building one costs more than reading an episode."""
    return _layout(json.dumps(record.to_dict()))


@lru_cache(maxsize=8)
def _layout(record: str) -> Layout:
    return Layout(Record.from_dict(json.loads(record)))


def place(episode: int) -> dict[str, int]:
    """Return `chunk_index` and `file_index` of an episode, for the path templates."""
    return {"chunk_index": episode // CHUNK_SIZE, "file_index": episode % CHUNK_SIZE}


def data_place(facts: Mapping[str, Any]) -> tuple[dict[str, int], int | None]:
    """Return where an episode's frames are, by its index line: the place of the file, and the row group in
    it, None where the file is the episode's own.
    """
    if (kept := facts.get("place")) is None:
        return place(facts["episode_index"]), None
    chunk, file, group = kept
    return {"chunk_index": chunk, "file_index": file}, group


def read_record(root: Path) -> Record:
    """Return the record of a dataset; of one older than records, the one that its features tell.

    Raises DatasetError when there is none that can be read.
    """
    try:
        provenance = json.loads((root / PROVENANCE_PATH).read_text())
        if "record" in provenance:
            return Record.from_dict(provenance["record"])
        info = json.loads((root / INFO_PATH).read_text())
        body = embodiments.get(embodiments.DEFAULT)
        sizes = {camera: tuple(info["features"][image_key(camera)]["shape"][:2]) for camera in body.cameras}
        names = {key: tuple(info["features"][f]["names"]) for key, f in _NAMED.items()}
        return Record(embodiment=body.name, cameras=sizes, fps=info["fps"], **names)
    except FileNotFoundError as error:
        raise DatasetError(f"{root} is no dataset of ours: it has no {error.filename}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{root} does not say what its columns are ({error!r}): restore its folder meta or collect again"
        ) from error


def read_lines(path: Path, types: Mapping[str, type] = WORK) -> list[dict[str, Any]]:
    """Return the whole lines of a JSON lines file, none where there is no file; each has keys of these types.

    A last line without its end (the writer was killed in it) does not count. Raises DatasetError naming the
    file and the line where one cannot be read.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; restore it or collect again") from error
    return [_line(line, types, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _line(line: bytes, types: Mapping[str, type], where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
        if wrong := [key for key, kind in types.items() if type(values[key]) is not kind]:
            raise ValueError(f"{wrong[0]} is {values[wrong[0]]!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{where} cannot be read ({error!r}): restore it or collect again") from error
    return values


def read_index(root: Path) -> list[dict[str, Any]]:
    """Return the index line of every published episode, in order of rank.

    A last line without its end (the writer was killed in it) does not count. Lines of older formats get the
    names that are implied.
    Raises DatasetError when the folder has no index or one that cannot be read.
    """
    path = root / INDEX_PATH
    if not path.exists():
        raise DatasetError(
            f"{root} is no dataset of ours: it has no {INDEX_PATH}; make one with uio2 collect, or "
            "learn from others' with uio2 pretrain"
        )
    rows = read_lines(path, _INDEX_TYPES)
    if [row["episode_index"] for row in rows] != list(range(len(rows))):
        raise DatasetError(f"{path} does not count 0, 1, 2, …: restore it or collect again")
    for row in rows:
        row.setdefault("embodiment", embodiments.DEFAULT)
        row.setdefault("has_expert", False)
        row.setdefault("suite", row["env_id"].partition("/")[0])
        told = row["tasks"][:1]
        if row["length"] < 1 or not told or not isinstance(told[0], str):
            raise DatasetError(
                f"{path}: episode {row['episode_index']} has {row['length']} steps of the tasks "
                f"{row['tasks']}: restore it or collect again"
            )
    return rows


def identity(root: Path) -> str:
    """Return what a dataset holds in a word: its number of episodes and a digest of their facts and of the
    statistics of all they hold. The folder's name does not count.
    """
    rows = read_index(root)
    digest = hashlib.sha256(json.dumps(rows, sort_keys=True).encode())
    if (root / STATS_PATH).exists():
        digest.update((root / STATS_PATH).read_bytes())
    return f"{len(rows)} episodes {digest.hexdigest()[:16]}"


def episode_identity(facts: Mapping[str, Any]) -> str:
    """Return a digest of an episode's facts that is the same in whatever set and place it stands."""
    kept = {key: value for key, value in facts.items() if key not in _OF_PLACE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


_OF_PLACE = ("episode_index", "dataset_to_index", "work_index", "git_sha", "place")
_NAMED = {"state": "observation.state", "action": "action"}


def _feature(dtype: str, shape: tuple[int, ...], names: list[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "names": names}


def _numbers(names: tuple[str, ...]) -> dict[str, Any]:
    return _feature("float32", (len(names),), list(names))


def _arrow_type(feature: Mapping[str, Any]) -> pa.DataType:
    if feature["dtype"] == "image":
        return pa.struct({"bytes": pa.binary(), "path": pa.string()})
    scalar = pa.bool_() if feature["dtype"] == "bool" else pa.type_for_alias(feature["dtype"])
    return scalar if feature["shape"] == [1] else pa.list_(scalar, feature["shape"][0])


def _huggingface_type(feature: Mapping[str, Any]) -> dict[str, Any]:
    if feature["dtype"] == "image":
        return {"_type": "Image"}
    value = {"dtype": feature["dtype"], "_type": "Value"}
    return (
        value
        if feature["shape"] == [1]
        else {"feature": value, "length": feature["shape"][0], "_type": "List"}
    )
