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
    meta/episodes/chunk-000/file-000.parquet                 one row: the episode
    data/chunk-000/file-000.parquet                          T rows: the frames an action was taken in
    final/chunk-000/file-000-<view>.png                      the observation after the last action
    prompts/<2 hex>/<hash>.png                               prompt pictures, named by content, stored once

It refuses to know simulators, policies and training. Sources: specs/ecosystem.md §1.2 and §1.5.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from uio2_agent.errors import UIO2Error

CODEBASE_VERSION = "v3.0"
FORMAT = 2
"""Of our own columns. 1 lacked `observation.boxes` and `named_prompt`: readable, but not continued."""
CHUNK_SIZE = 1000
FPS = 1  # a VIMA step is one whole motion and has no rate
FIRST_HELD_OUT_SEED = 5_000_000
"""Seeds from here on are for evaluation: neither collected nor trained on."""

VIEWS = ("front", "top")
HEIGHT, WIDTH = 128, 256
IMAGE_KEYS = {view: f"observation.images.{view}" for view in VIEWS}
END_EFFECTORS = ("suction", "spatula")

ACTION_PARTS = {"pose0_position": 2, "pose0_rotation": 4, "pose1_position": 2, "pose1_rotation": 4}
ACTION_NAMES = [
    f"pose{pose}.{axis}" for pose in (0, 1) for axis in ("x", "y", "qx", "qy", "qz", "qw")
]  # metres in the robot's frame; quaternion xyzw

DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
FINAL_PATH = "final/chunk-{chunk_index:03d}/file-{file_index:03d}-{view}.png"
INFO_PATH, STATS_PATH, TASKS_PATH = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
PROVENANCE_PATH, ERRORS_PATH = "meta/uio2_agent.json", "meta/errors.jsonl"
INDEX_PATH = "meta/uio2_episodes.jsonl"


class DatasetError(UIO2Error):
    """A dataset folder that cannot be read, written or continued as asked."""


def _feature(dtype: str, shape: tuple[int, ...], names: list[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "names": names}


FEATURES: dict[str, dict[str, Any]] = {
    # in the data files: struct<bytes, path> with PNG bytes
    **{
        key: _feature("image", (HEIGHT, WIDTH, 3), ["height", "width", "channels"])
        for key in IMAGE_KEYS.values()
    },
    "observation.state": _feature("float32", (2,), list(END_EFFECTORS)),  # one-hot: the tool at hand
    # JSON list of {id, name, texture, fixed, position, quaternion, size, scale, boxes: {view: box | null}},
    # box = [first row, first column, last row, last column] in pixels, inclusive
    "observation.objects": _feature("string", (1,)),
    # derived from it, UIO-2's boxes as input or as prediction: `y1 x1 y2 x2 texture name` of each object in
    # location tokens, in the paper's picture (front view over top view, boxes of the latter)
    "observation.boxes": _feature("string", (1,)),
    "action": _feature("float32", (12,), ACTION_NAMES),
    "action.text": _feature("string", (1,)),  # the executed action in the model's action language
    # JSON list of the ids a model answered with at this step; "" when a script acted. A string, because the
    # length varies; episode column `vocabulary_hash` says which vocabulary the ids belong to.
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
    "env_id": pa.string(),
    "env_kwargs": pa.string(),  # JSON; with `seed` and the actions all that a replay needs
    "task_name": pa.string(),
    "level": pa.string(),
    "seed": pa.int64(),
    "work_index": pa.int64(),  # place in the work list, of which `success_only` drops some
    "status": pa.string(),  # success | failure | truncated
    "success": pa.bool_(),
    "failure": pa.bool_(),
    "prompt": pa.string(),  # with {placeholders}
    "named_prompt": pa.string(),  # derived, UIO-2's pure text: names for object placeholders, {scenes} stay
    "prompt_assets": pa.string(),  # JSON: name -> {placeholder_type, obj_info, rgb, segm: {view: path}}
    "final_objects": pa.string(),  # JSON as observation.objects, after the last action
    "policy": pa.string(),
    "vocabulary_hash": pa.string(),  # "" without tokens
    "git_sha": pa.string(),
}

INDEX_COLUMNS = ("episode_index", "tasks", "length", "dataset_to_index", *EPISODE_COLUMNS)
"""What a line of the index holds."""

STATISTICS = ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99")
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
STATISTIC_KEYS = (*IMAGE_KEYS.values(), "observation.state", "action", "next.reward")
"""Features with statistics. Counters and flags have none: nobody normalises them, each costs ten columns."""


def place(episode: int) -> dict[str, int]:
    """Return `chunk_index` and `file_index` of an episode, for the path templates."""
    return {"chunk_index": episode // CHUNK_SIZE, "file_index": episode % CHUNK_SIZE}


def action_vector(action: Mapping[str, Any]) -> np.ndarray:
    """Flatten a VIMA action dict to (12,) float32."""
    return np.concatenate([np.asarray(action[part], np.float32).reshape(-1) for part in ACTION_PARTS])


def action_dict(vector: np.ndarray) -> dict[str, np.ndarray]:
    """Inverse of `action_vector`: exactly the numbers the environment was given."""
    ends = np.cumsum(list(ACTION_PARTS.values()))[:-1]
    return dict(zip(ACTION_PARTS, np.split(np.asarray(vector, np.float32), ends), strict=True))


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


def _build_data_schema() -> pa.Schema:
    features = {key: _huggingface_type(feature) for key, feature in FEATURES.items()}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(key, _arrow_type(feature)) for key, feature in FEATURES.items()], metadata=metadata)


def _build_episode_schema() -> pa.Schema:
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
    for key in STATISTIC_KEYS:
        values = pa.list_(pa.float64())
        if FEATURES[key]["dtype"] == "image":
            values = pa.list_(pa.list_(values))  # (3, 1, 1)
        for statistic in STATISTICS:
            columns.append(
                (f"stats/{key}/{statistic}", pa.list_(pa.int64()) if statistic == "count" else values)
            )
    return pa.schema(columns)


DATA_SCHEMA = _build_data_schema()
EPISODE_SCHEMA = _build_episode_schema()


def read_index(root: Path) -> list[dict[str, Any]]:
    """Return the index line of every published episode, in order of rank.

    A last line without its end (the writer was killed in it) does not count.
    Raises DatasetError when the folder has no index or one that cannot be read.
    """
    try:
        text = (root / INDEX_PATH).read_text()
        rows = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    except FileNotFoundError as error:
        raise DatasetError(
            f"{root} is no dataset of ours: it has no {INDEX_PATH}; make one with uio2 collect"
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{root / INDEX_PATH} cannot be read ({error}): restore it or collect again"
        ) from error
    if [row["episode_index"] for row in rows] != list(range(len(rows))):
        raise DatasetError(f"{root / INDEX_PATH} does not count 0, 1, 2, …: restore it or collect again")
    return rows
