"""What a LeRobot dataset of anybody says of itself, of format v2.0, v2.1 or v3.0, as one table of episodes.

    v2.x  meta/info.json  meta/episodes.jsonl                  an episode has files of its own
    v3.0  meta/info.json  meta/episodes/chunk-*/file-*.parquet  files hold many episodes

Of a set of ours the index is read in place of the tables: ten thousand tables take half a minute.

It refuses to read frames. Source: LeRobot's dataset formats v2.1 and v3.0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pretrain.sources import schema
from pretrain.sources.schema import DatasetError
from uio2_agent.errors import described

INFO = "meta/info.json"


@dataclass(frozen=True)
class VideoPlace:
    """Where a camera's frames of an episode are."""

    path: Path
    begins: float
    """Second of the file at which the episode begins."""


@dataclass(frozen=True)
class EpisodePlace:
    """An episode as the set's tables have it."""

    index: int
    length: int
    instruction: str
    data: Path
    videos: Mapping[str, VideoPlace]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The whole row of the tables but statistics."""


class RobotMeta:
    """The features and the episodes of a dataset.

    Raises DatasetError when the folder is none, or of a format that is not known.
    """

    def __init__(self, root: Path):
        self.root = root
        try:
            info = json.loads((root / INFO).read_text())
            self.version = str(info["codebase_version"])
            self.fps = float(info["fps"])
            self.features: dict[str, dict[str, Any]] = dict(info["features"])
            self._data_path, self._video_path = str(info["data_path"]), str(info.get("video_path"))
            self._chunk = int(info.get("chunks_size", 1000))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{root} is no LeRobot dataset ({described(error)}): name the folder that holds {INFO}"
            ) from error
        self.videos = [key for key, about in self.features.items() if about.get("dtype") == "video"]
        self.images = [key for key, about in self.features.items() if about.get("dtype") == "image"]
        try:
            if self.version.startswith("v2"):
                self.episodes = self._of_lines()
            elif self.version.startswith("v3"):
                self.episodes = self._of_tables()
            else:
                raise DatasetError(f"{root} has format {self.version}: v2.0, v2.1 and v3.0 are read")
        except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
            raise DatasetError(
                f"the tables of {root} cannot be read ({described(error)}): get its folder meta again"
            ) from error
        if not self.episodes:
            raise DatasetError(f"{root} holds no episodes: name another dataset")

    def columns(self, key: str) -> list[str]:
        """Return what a feature's numbers are called: as the set says, else `key 0`, `key 1`, …

        Raises DatasetError where there is no such feature, or it is not a list of numbers.
        """
        if key not in self.features:
            numbers = [name for name, about in self.features.items() if len(about.get("shape", ())) == 1]
            raise DatasetError(f"{self.root} has no feature {key!r}: say which of {', '.join(numbers)}")
        about = self.features[key]
        if len(about["shape"]) != 1:
            raise DatasetError(
                f"feature {key} of {self.root} has shape {about['shape']}, not a list of numbers"
            )
        names, size = about.get("names"), int(about["shape"][0])
        if isinstance(names, Mapping):
            listed = [value for value in names.values() if isinstance(value, list)]
            names = listed[0] if listed else sorted(names, key=lambda name: names[name])
        if isinstance(names, list) and len(names) == size:
            return [str(name) for name in names]
        return [f"{key.rpartition('.')[2]} {number}" for number in range(size)]

    def _of_lines(self) -> list[EpisodePlace]:
        lines = (self.root / "meta/episodes.jsonl").read_text().splitlines()
        found = []
        for row in map(json.loads, lines):
            place = {
                "episode_index": row["episode_index"],
                "episode_chunk": row["episode_index"] // self._chunk,
            }
            videos = {
                key: VideoPlace(self.root / self._video_path.format(video_key=key, **place), 0.0)
                for key in self.videos
            }
            found.append(self._episode(row, self._data_path.format(**place), videos))
        return sorted(found, key=lambda episode: episode.index)

    def _of_tables(self) -> list[EpisodePlace]:
        if (self.root / schema.INDEX_PATH).exists() and not self.videos:
            rows = schema.read_index(self.root)
            places = [schema.data_place(row)[0] for row in rows]
            return [
                self._episode(row, self._data_path.format(**place), {})
                for row, place in zip(rows, places, strict=True)
            ]
        found = []
        for path in sorted((self.root / "meta/episodes").rglob("*.parquet")):
            file = pq.ParquetFile(path)
            wanted = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
            for row in file.read(wanted).to_pylist():
                places = {
                    key: {name: row[f"{key}/{name}"] for name in ("chunk_index", "file_index")}
                    for key in ("data", *(f"videos/{key}" for key in self.videos))
                }
                videos = {
                    key: VideoPlace(
                        self.root / self._video_path.format(video_key=key, **places[f"videos/{key}"]),
                        float(row[f"videos/{key}/from_timestamp"]),
                    )
                    for key in self.videos
                }
                found.append(self._episode(row, self._data_path.format(**places["data"]), videos))
        return sorted(found, key=lambda episode: episode.index)

    def _episode(self, row: Mapping[str, Any], data: str, videos: Mapping[str, VideoPlace]) -> EpisodePlace:
        tasks = [str(task) for task in row.get("tasks") or () if task]
        return EpisodePlace(
            int(row["episode_index"]),
            int(row["length"]),
            tasks[0] if tasks else "",
            self.root / data,
            videos,
            row,
        )
