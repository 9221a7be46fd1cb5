"""Writes trajectory datasets: LeRobot v3.0, one set of files per episode, published one by one.

An episode is *encoded* where it was played (PNG, statistics; needs no rank) and *published* by the one driver, which
gives it its rank. What is unusual: publishing ends with the rename of the episode's metadata file, so a process
killed at any moment leaves the episodes before, and opening the folder again removes the half-published one.
Everything that a later reader needs for replay or training is in the folder (layout: `pretrain.sources.schema`).

It refuses to know how episodes come about.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pretrain.sources import schema
from pretrain.sources.schema import DatasetError
from rollouts.encoding import EncodedEpisode, StatisticsFold, statistics

_TEMPORARY = ".partial"


@dataclass(frozen=True)
class _Known:
    """What a folder holds already, read from its episode files."""

    episodes: int
    frames: int
    tasks: dict[str, int]
    fold: StatisticsFold
    next_work: int
    successes: int


class DatasetWriter:
    """Append episodes to the dataset in `root`; opening an existing folder continues it.

    `config` says how the set is made. A folder made with another one is refused, because episodes of two recipes
    in one set cannot be told apart or resumed.
    Raises DatasetError for a folder that is not ours, that another process writes, or that cannot be written.
    """

    def __init__(self, root: str | Path, config: Mapping[str, Any]):
        self.root = Path(root)
        self._config = json.loads(json.dumps(config))
        try:
            (self.root / "meta").mkdir(parents=True, exist_ok=True)
            self._lock = open(self.root / "meta" / ".lock", "w")  # noqa: SIM115 - held while the writer lives
        except OSError as error:
            raise DatasetError(
                f"cannot write the dataset to {root}: {error.strerror}; choose another output="
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DatasetError(
                f"another process is writing the dataset {root}: wait for it or choose another output="
            ) from error
        self._check_config()
        known = _recover(self.root)
        self.episodes, self.frames, self.successes = known.episodes, known.frames, known.successes
        self.next_work = known.next_work
        """First place of the work list that is not known to be done."""
        self._tasks, self._fold = known.tasks, known.fold
        self._known_files: set[str] = set()
        self._forget_errors_from(self.next_work)
        self._write_tables(new_task=True)

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder; what is published is complete already."""
        self._lock.close()

    def publish(self, episode: EncodedEpisode) -> int:
        """Add one episode and return its rank; the set is loadable again when this returns."""
        rank, place = self.episodes, schema.place(self.episodes)
        start, end = self.frames, self.frames + episode.length
        new_task = episode.instruction not in self._tasks
        task = self._tasks.setdefault(episode.instruction, len(self._tasks))

        for path, content in episode.files.items():
            self._write_once(path, content)
        for view, content in episode.final.items():
            _write(self.root / schema.FINAL_PATH.format(**place, view=view), content)
        ranked = {
            "episode_index": np.full(episode.length, rank, np.int64),
            "index": np.arange(start, end, dtype=np.int64),
            "task_index": np.full(episode.length, task, np.int64),
        }
        columns = [ranked[key] if key in ranked else episode.frames[key] for key in schema.FEATURES]
        _write_table(
            pa.table(columns, schema=schema.DATA_SCHEMA), self.root / schema.DATA_PATH.format(**place)
        )

        stats = episode.stats | {key: statistics(values) for key, values in ranked.items()}
        row = {
            "episode_index": rank,
            "tasks": [episode.instruction],
            "length": episode.length,
            **{f"data/{key}": value for key, value in place.items()},
            "dataset_from_index": start,
            "dataset_to_index": end,
            **{f"meta/episodes/{key}": value for key, value in place.items()},
            **episode.facts,
            **{
                f"stats/{key}/{name}": value
                for key, of_key in stats.items()
                for name, value in of_key.items()
            },
        }
        _write_table(
            pa.Table.from_pylist([row], schema.EPISODE_SCHEMA),
            self.root / schema.EPISODES_PATH.format(**place),
        )

        self.episodes, self.frames = rank + 1, end
        self.successes += int(episode.facts["success"])
        self.next_work = episode.facts["work_index"] + 1
        self._fold.add(stats)
        self._write_tables(new_task)
        return rank

    def record_error(self, work_index: int, facts: Mapping[str, Any]) -> None:
        """Note work that ended in an exception: it has no episode, yet it must not vanish."""
        with open(self.root / schema.ERRORS_PATH, "a") as file:
            file.write(json.dumps({"work_index": work_index, **facts}) + "\n")

    def _check_config(self) -> None:
        path = self.root / schema.PROVENANCE_PATH
        if not path.exists():
            if (self.root / schema.INFO_PATH).exists():
                raise DatasetError(
                    f"{self.root} holds a dataset that this program did not make: choose another output="
                )
            _write(path, json.dumps({"format": 1, "config": self._config}, indent=2).encode())
            return
        stored = json.loads(path.read_text())["config"]
        for key in sorted(stored.keys() | self._config.keys()):
            asked, found = self._config.get(key), stored.get(key)
            if asked != found:
                raise DatasetError(
                    f"{self.root} was made with {key}={json.dumps(found)}, asked for {json.dumps(asked)}: "
                    f"continue with the same settings or choose another output="
                )

    def _forget_errors_from(self, work_index: int) -> None:
        path = self.root / schema.ERRORS_PATH
        if path.exists():
            lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            kept = [line for line in lines if json.loads(line)["work_index"] < work_index]
            _write(path, "".join(kept).encode())

    def _write_once(self, path: str, content: bytes) -> None:
        """Prompt pictures are named by their content: an existing file is the same file."""
        if path not in self._known_files:
            if not (self.root / path).exists():
                _write(self.root / path, content)
            self._known_files.add(path)

    def _write_tables(self, new_task: bool) -> None:
        if new_task:
            _write_table(_tasks_table(self._tasks), self.root / schema.TASKS_PATH)
        _write(self.root / schema.STATS_PATH, json.dumps(self._fold.as_dict()).encode())
        info = {
            "codebase_version": schema.CODEBASE_VERSION,
            "robot_type": "vima",
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": schema.CHUNK_SIZE,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": schema.FPS,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": schema.DATA_PATH,
            "video_path": None,
            "features": schema.FEATURES,
        }
        _write(self.root / schema.INFO_PATH, json.dumps(info, indent=2).encode())


def merge(parts: Iterable[str | Path], output: str | Path) -> int:
    """Join datasets into a new one and return its number of episodes.

    Shards of one collection (same settings but `shard`) come out exactly as one process would have made them: in
    the order of the work list. Other sets are put one behind the other.
    """
    roots = [Path(part) for part in parts]
    configs = [json.loads(_read(root / schema.PROVENANCE_PATH))["config"] for root in roots]
    shared = [{key: value for key, value in config.items() if key != "shard"} for config in configs]
    shards = all(config == shared[0] for config in shared)
    rows = [(root, row) for root in roots for row in _episode_rows(root)]
    if shards:
        rows.sort(key=lambda item: item[1]["work_index"])
    config = {**shared[0], "shard": "1/1"} if shards else {"merged": configs}
    with DatasetWriter(output, config) as writer:
        if writer.episodes:
            raise DatasetError(f"{output} holds {writer.episodes} episodes already: merge into a new folder")
        for root, row in rows:
            writer.publish(_encoded_from(root, row))
        for line in (line for root in roots for line in _error_lines(root)):
            writer.record_error(line.pop("work_index"), line)
        return writer.episodes


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise DatasetError(
            f"{path.parent.parent} is not a dataset of ours: cannot read {path.name} ({error.strerror})"
        ) from error


def _error_lines(root: Path) -> list[dict[str, Any]]:
    path = root / schema.ERRORS_PATH
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _episode_rows(root: Path) -> list[dict[str, Any]]:
    count = json.loads(_read(root / schema.INFO_PATH))["total_episodes"]
    paths = (root / schema.EPISODES_PATH.format(**schema.place(rank)) for rank in range(count))
    return [pq.read_table(path, schema=schema.EPISODE_SCHEMA).to_pylist()[0] for path in paths]


def _encoded_from(root: Path, row: dict[str, Any]) -> EncodedEpisode:
    """Undo `publish`: the episode without its rank."""
    place = schema.place(row["episode_index"])
    frames = pq.read_table(root / schema.DATA_PATH.format(**place), schema=schema.DATA_SCHEMA)
    assets = json.loads(row["prompt_assets"])
    files = [path for asset in assets.values() for kind in ("rgb", "segm") for path in asset[kind].values()]
    return EncodedEpisode(
        instruction=row["tasks"][0],
        length=row["length"],
        frames={
            key: frames[key].combine_chunks() for key in schema.FEATURES if key not in schema.RANK_COLUMNS
        },
        stats={
            key: {name: row[f"stats/{key}/{name}"] for name in schema.STATISTICS}
            for key in schema.STATISTIC_KEYS
            if key not in schema.RANK_COLUMNS
        },
        facts={key: row[key] for key in schema.EPISODE_COLUMNS},
        final={
            view: (root / schema.FINAL_PATH.format(**place, view=view)).read_bytes() for view in schema.VIEWS
        },
        files={path: (root / path).read_bytes() for path in files},
    )


def _recover(root: Path) -> _Known:
    """Read what is published, and remove the files of an episode that was only half published."""
    episodes = frames = successes = next_work = 0
    tasks: dict[str, int] = {}
    fold = StatisticsFold()
    while (path := root / schema.EPISODES_PATH.format(**schema.place(episodes))).exists():
        try:
            row = pq.read_table(path, schema=schema.EPISODE_SCHEMA).to_pylist()[0]
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"{path} is damaged ({error}): remove the dataset's last files or restore it"
            ) from error
        if row["dataset_from_index"] != frames:
            raise DatasetError(
                f"{path} does not follow the episode before it: restore the dataset or start a new one"
            )
        tasks.setdefault(row["tasks"][0], len(tasks))
        fold.add(
            {key: {n: row[f"stats/{key}/{n}"] for n in schema.STATISTICS} for key in schema.STATISTIC_KEYS}
        )
        episodes, frames = episodes + 1, row["dataset_to_index"]
        successes, next_work = successes + int(row["success"]), row["work_index"] + 1
    place = schema.place(episodes)
    leftovers = [root / schema.DATA_PATH.format(**place)]
    leftovers += [root / schema.FINAL_PATH.format(**place, view=view) for view in schema.VIEWS]
    leftovers += root.rglob(f"*{_TEMPORARY}")
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    return _Known(episodes, frames, tasks, fold, next_work, successes)


def _tasks_table(tasks: Mapping[str, int]) -> pa.Table:
    """The task strings as pandas index, as LeRobot expects, written without pandas."""
    pandas = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None},
            {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }  # fmt: skip
    table = pa.table(
        {
            "task_index": pa.array(tasks.values(), pa.int64()),
            "__index_level_0__": pa.array(tasks, pa.string()),
        }
    )
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def _write_table(table: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    _write(path, sink.getvalue())


def _write(path: Path, content: Any) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        try:
            file = open(temporary, "wb")  # noqa: SIM115 - retried below
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(temporary, "wb")  # noqa: SIM115
        with file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        free = shutil.disk_usage(path.anchor).free >> 20
        raise DatasetError(
            f"cannot write {path}: {error.strerror} ({free} MiB free); what was published is safe"
        ) from error
