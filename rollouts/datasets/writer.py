"""Writes trajectory datasets: LeRobot v3.0, one set of files per episode, published one by one or a few
together.

An episode is *encoded* where it was played (`rollouts.datasets.encoding`) and *published* by the one driver,
which gives it its rank. What is unusual: all files of an episode are written under temporary names and
renamed together, and a line in the index makes them count, so a process killed at any moment leaves the
episodes before, and opening the folder again removes what was published by half. The layout is
`pretrain.sources.schema`'s.

It refuses to know how episodes come about.
"""

import json
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from policies.embodiments.base import Record
from pretrain.sources import schema
from pretrain.sources.schema import DatasetError
from rollouts.datasets.encoding import EncodedEpisode, StatisticsFold
from rollouts.datasets.maps import map_paths
from rollouts.datasets.parquet import one_row, parquet, tasks_table
from rollouts.versions import git_sha, versions
from uio2_agent.files import PARTIAL, append_line, replace_files
from uio2_agent.locks import FolderLock

MOST_AT_ONCE = 32
"""Episodes that are published together."""


class DatasetWriter:
    """Append episodes to the dataset in `root`; opening an existing folder continues it.

    `config` says how the set is made. A folder made with another one is refused, because episodes of two
    recipes in one set cannot be told apart or resumed. Raises DatasetError for a folder that is not ours,
    that another process writes, or that cannot be written.
    """

    def __init__(self, root: str | Path, config: Mapping[str, Any]):
        self.root = Path(root)
        self._lock = _locked(self.root)
        self._layout: schema.Layout | None = None
        self._features = b""
        try:
            self._check_config(json.loads(json.dumps(config)))
            rows = schema.read_index(self.root)
            self.episodes = len(rows)
            self.frames: int = rows[-1]["dataset_to_index"] if rows else 0
            dropped = schema.read_lines(self.root / schema.DROPPED_PATH)
            settled = {row["work_index"] for row in (*rows, *dropped)}
            self.next_work: int = 1 + max(settled, default=-1)
            """First place of the work list after all that is done."""
            self._tasks: dict[str, int] = {}
            for row in rows:
                self._tasks.setdefault(row["tasks"][0], len(self._tasks))
            self._fold = _recover_statistics(self.root, self.episodes, self.frames)
            self._remove_leftovers()
            self._errors = self._keep_errors(settled)
            self.failed = frozenset(self._errors)
            """Places before `next_work` whose work ended in an error, in earlier sittings."""
            self.outcomes = Counter(row["status"] for row in (*rows, *dropped))
            """Episodes by status, of all sittings: kept, dropped, and errors."""
            if self._errors:
                self.outcomes["error"] = len(self._errors)
            self._known_files: set[str] = set()
            if rows:
                self._begin(schema.read_record(self.root))
                self._replace(self._counters(self.episodes, self.frames, new_task=True))
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder; what is published is complete already."""
        self._lock.close()

    def publish(self, episode: EncodedEpisode) -> int:
        """Add one episode and return its rank; the set is loadable again when this returns."""
        (rank,) = self.publish_all([episode])
        return rank

    def publish_all(self, episodes: Sequence[EncodedEpisode]) -> range:
        """Add episodes in this order, at most MOST_AT_ONCE, and return their ranks.

        What bringing files to the disk costs, and telling anew what the whole set is, is paid once for all.
        The set is loadable again when this returns; a process killed before that has added the first few of
        them, or none. The set is the same as if they came one by one.
        """
        if len(episodes) > MOST_AT_ONCE:
            raise ValueError(f"{len(episodes)} episodes at once: {MOST_AT_ONCE} at most")
        ranks = range(self.episodes, self.episodes + len(episodes))
        files: dict[str, Any] = {}
        lines, start, tasks = [], self.frames, len(self._tasks)
        for rank, episode in zip(ranks, episodes, strict=True):
            self._admit(episode)
            new_files, indexed = self._placed(episode, rank, start)
            files |= new_files
            lines.append(indexed)
            start += episode.length
            self._fold.add(episode.stats)
        if episodes:
            self._replace(files | self._counters(ranks.stop, start, new_task=len(self._tasks) > tasks))
            self._append(schema.INDEX_PATH, *lines)
        self.episodes, self.frames = ranks.stop, start
        for episode in episodes:
            self._settle(episode.facts["work_index"], episode.facts["status"])
        return ranks

    def _admit(self, episode: EncodedEpisode) -> None:
        """Let an episode in that is of what the set keeps; the first one says what that is."""
        if self._layout is None:
            self._begin(episode.record)
            self._replace({schema.PROVENANCE_PATH: _json(self._provenance(), indent=2)})
        elif episode.record != self._layout.record:
            raise DatasetError(
                f"{self.root} holds episodes of {self._layout.record}, this one is of {episode.record}: one "
                "set keeps one embodiment and one size of pictures; choose another output="
            )

    def _placed(
        self, episode: EncodedEpisode, rank: int, start: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The files of an episode at its place, whose first frame is number `start`, and its line of the
        index.
        """
        place, end = schema.place(rank), start + episode.length
        task = self._tasks.setdefault(episode.instruction, len(self._tasks))
        ranked = {
            "episode_index": np.full(episode.length, rank),
            "index": np.arange(start, end),
            "task_index": np.full(episode.length, task),
        }
        columns = [ranked[key] if key in ranked else episode.frames[key] for key in self._layout.features]
        indexed = {
            "episode_index": rank,
            "tasks": [episode.instruction],
            "length": episode.length,
            "dataset_to_index": end,
            **episode.facts,
        }
        row = {
            **indexed,
            **{f"data/{key}": value for key, value in place.items()},
            "dataset_from_index": start,
            **{f"meta/episodes/{key}": value for key, value in place.items()},
        }
        for key, of_key in episode.stats.items():
            row |= {f"stats/{key}/{name}": value for name, value in of_key.items()}

        files = {path: content for path, content in episode.files.items() if self._is_new(path)}
        for view, content in episode.final.items():
            files[schema.FINAL_PATH.format(**place, view=view)] = content
        for kind, content in episode.floor_map.items():
            files[schema.MAP_PATH.format(**place, kind=kind)] = content
        table = pa.table(columns, schema=self._layout.data)
        files[schema.DATA_PATH.format(**place)] = parquet(table)
        files[schema.EPISODES_PATH.format(**place)] = parquet(one_row(row, self._layout.episodes))
        return files, indexed

    def record_error(self, work_index: int, facts: Mapping[str, Any]) -> None:
        """Note work that ended in an exception: it has no episode, yet it must not vanish."""
        line, again = {"work_index": work_index, **facts}, work_index in self._errors
        self._errors[work_index] = line
        if again:
            self._write_errors(self._errors)
        else:
            self._append(schema.ERRORS_PATH, line)
            self.outcomes["error"] += 1

    def record_dropped(self, work_index: int, status: str) -> None:
        """Note work whose episode is not to be kept: it is done, and must not look like a hole."""
        self._append(schema.DROPPED_PATH, {"work_index": work_index, "status": status})
        self._settle(work_index, status)

    def _settle(self, work_index: int, status: str) -> None:
        """Count work that is done, and forget that it once ended in an error."""
        self.next_work = max(self.next_work, work_index + 1)
        self.outcomes[status] += 1
        if self._errors.pop(work_index, None) is not None:
            self.outcomes -= Counter(error=1)
            self._write_errors(self._errors)

    def _check_config(self, config: dict[str, Any]) -> None:
        path = self.root / schema.PROVENANCE_PATH
        if not path.exists():
            if (self.root / schema.INFO_PATH).exists():
                raise DatasetError(
                    f"{self.root} holds a dataset that this program did not make: choose another output="
                )
            self._config = config
            self._replace(
                {schema.INDEX_PATH: b"", schema.PROVENANCE_PATH: _json(self._provenance(), indent=2)}
            )
            return
        stored = read_config(self.root)
        self._config = config
        for key in sorted(stored.keys() | config.keys()):
            if config.get(key) != stored.get(key):
                raise DatasetError(
                    f"{self.root} was made with {key}={json.dumps(stored.get(key))}, asked for "
                    f"{json.dumps(config.get(key))}: use the same settings or choose another output="
                )

    def _begin(self, record: Record) -> None:
        """Fix what the set keeps: the record of its first episode."""
        self._layout = schema.Layout(record)
        # the long, constant part of info.json
        self._features = json.dumps(self._layout.features, indent=2).replace("\n", "\n  ").encode()

    def _provenance(self) -> dict[str, Any]:
        record = {} if self._layout is None else {"record": self._layout.record.to_dict()}
        return {
            "format": schema.FORMAT,
            "config": self._config,
            **record,
            "made_with": {"git_sha": git_sha(), **versions()},
        }

    def _remove_leftovers(self) -> None:
        """Remove what a killed process wrote of episodes that do not count."""
        for name in (schema.INDEX_PATH, schema.ERRORS_PATH, schema.DROPPED_PATH):
            content = (self.root / name).read_bytes() if (self.root / name).exists() else b""
            if content and not content.endswith(b"\n"):
                self._replace({name: content[: content.rfind(b"\n") + 1]})
        leftovers = list(self.root.rglob(f"*{PARTIAL}"))
        for rank in range(self.episodes, self.episodes + MOST_AT_ONCE):
            place = schema.place(rank)
            leftovers += [
                self.root / path.format(**place) for path in (schema.DATA_PATH, schema.EPISODES_PATH)
            ]
            final = self.root / schema.FINAL_PATH.format(**place, view="*")
            leftovers += [*final.parent.glob(final.name), *map_paths(self.root, rank).values()]
        for path in leftovers:
            path.unlink(missing_ok=True)

    def _keep_errors(self, settled: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return errors by place in the work list. Forgotten are those of work that was done later, and those
        after the last work that is done, which is played again.
        """
        lines = schema.read_lines(self.root / schema.ERRORS_PATH)
        before = [line for line in lines if line["work_index"] < self.next_work]
        kept = {line["work_index"]: line for line in before if line["work_index"] not in settled}
        if len(kept) < len(lines):
            self._write_errors(kept)
        return kept

    def _write_errors(self, errors: Mapping[int, Mapping[str, Any]]) -> None:
        if errors:
            self._replace({schema.ERRORS_PATH: b"".join(_json(line) + b"\n" for line in errors.values())})
        else:
            (self.root / schema.ERRORS_PATH).unlink(missing_ok=True)

    def _is_new(self, path: str) -> bool:
        """Tell whether a prompt picture is missing; named by its content, an existing one is the same."""
        if path in self._known_files:
            return False
        self._known_files.add(path)
        return not (self.root / path).exists()

    def _counters(self, episodes: int, frames: int, new_task: bool) -> dict[str, Any]:
        """Return the files that describe the whole set, info.json last: a reader believes it."""
        info = {
            "codebase_version": schema.CODEBASE_VERSION,
            "robot_type": self._layout.record.embodiment,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": len(self._tasks),
            "chunks_size": schema.CHUNK_SIZE,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._layout.record.fps,
            "splits": {"train": f"0:{episodes}"},
            "data_path": schema.DATA_PATH,
            "video_path": None,
        }
        files = {schema.TASKS_PATH: parquet(tasks_table(self._tasks))} if new_task else {}
        content = (
            _json(info, indent=2).removesuffix(b"\n}") + b',\n  "features": ' + self._features + b"\n}\n"
        )
        return {**files, schema.STATS_PATH: _json(self._fold.as_dict()), schema.INFO_PATH: content}

    def _replace(self, files: Mapping[str, Any]) -> None:
        """Write all files and move them into place in order: each is whole or absent, after a crash too."""
        self._check_folder()
        try:
            replace_files({self.root / path: content for path, content in files.items()})
        except OSError as error:
            raise self._unwritable(error) from error

    def _append(self, path: str, *records: Mapping[str, Any]) -> None:
        self._check_folder()
        try:
            append_line(self.root / path, "\n".join(map(json.dumps, records)))
        except OSError as error:
            raise self._unwritable(error) from error

    def _check_folder(self) -> None:
        """Raise DatasetError where the folder is no longer the one that was opened: removed or unmounted."""
        if not self._lock.in_place():
            raise DatasetError(
                f"{self.root} was removed, moved or unmounted while it was written: put it back, or choose "
                "another output="
            )

    def _unwritable(self, error: OSError) -> DatasetError:
        free = shutil.disk_usage(self.root).free >> 20
        return DatasetError(
            f"cannot write {error.filename or self.root}: {error.strerror} ({free} MiB free); "
            f"the {self.episodes} episodes published are safe, run again to go on"
        )


def _locked(root: Path) -> FolderLock:
    """Make the folder and take its lock."""
    try:
        (root / "meta").mkdir(parents=True, exist_ok=True)
        return FolderLock(root / "meta" / ".lock")
    except BlockingIOError as error:
        raise DatasetError(
            f"another process is writing the dataset {root}: wait for it or choose another output="
        ) from error
    except OSError as error:
        raise DatasetError(
            f"cannot write the dataset to {root}: {error.strerror}; choose another output="
        ) from error


def _recover_statistics(root: Path, episodes: int, frames: int) -> StatisticsFold:
    """Read the statistics of the set; fold them again where a killed writer left those of another moment."""
    try:
        stored = json.loads((root / schema.STATS_PATH).read_text())
        if episodes and stored["action"]["count"] == [frames]:
            fold = StatisticsFold()
            fold.add(stored)
            return fold
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        pass
    fold = StatisticsFold()
    for rank in range(episodes):
        fold.add(episode_statistics(root / schema.EPISODES_PATH.format(**schema.place(rank))))
    return fold


def read_config(root: Path) -> dict[str, Any]:
    """Return the settings a dataset was made with; DatasetError if they cannot be read, or its columns
    are not those of today.
    """
    path = root / schema.PROVENANCE_PATH
    try:
        provenance = json.loads(path.read_text())
        form, config = provenance["format"], dict(provenance["config"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read ({error!r}): restore it or collect again") from error
    if provenance.get("compacted"):
        raise DatasetError(
            f"{root} was compacted: it can be trained on, but not continued or merged; use the set it was "
            "made of"
        )
    if form != schema.FORMAT:
        raise DatasetError(
            f"{root} has the columns of format {form}, this program writes {schema.FORMAT}: "
            "it can be trained on, but not continued or merged; collect into another output="
        )
    return config


def episode_statistics(path: Path) -> dict[str, dict[str, Any]]:
    """Return the statistics in an episode's metadata file; DatasetError naming it where there are none."""
    try:
        row = pq.ParquetFile(path).read().to_pylist()[0]
        keys = dict.fromkeys(name.split("/")[1] for name in row if name.startswith("stats/"))
        stats = {key: {n: row[f"stats/{key}/{n}"] for n in schema.STATISTICS} for key in keys}
        if not all(
            np.isfinite(np.asarray(v, float)).all() for of_key in stats.values() for v in of_key.values()
        ):
            raise ValueError("a statistic is no number")
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} is damaged ({error}): restore it or collect again") from error
    return stats


def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent).encode()
