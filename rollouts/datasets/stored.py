"""A LeRobot dataset as it lies on the disk, ours or anybody's, v2.0 to v3.0: episodes, rows, pictures.

Unusual: of each file it keeps one at a time. Ours are read by the index, so that ten thousand episodes open
in a second; rows come an episode at a time, pictures one at a time.

It refuses to know what is done with them.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pretrain.sources import checks, schema
from pretrain.sources.robot_meta import EpisodePlace, RobotMeta, VideoPlace
from pretrain.sources.schema import DatasetError
from uio2_agent.errors import described

RANKS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""The columns that every set has of itself."""


class StoredSet:
    """An existing dataset; DatasetError where its folder meta cannot be read."""

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser()
        self.meta = RobotMeta(self.root)
        self.is_ours = (self.root / schema.INDEX_PATH).exists()
        self._open: tuple[Path, pa.Table] | None = None

    @property
    def episodes(self) -> Sequence[EpisodePlace]:
        """In order of their indices."""
        return self.meta.episodes

    @cached_property
    def info(self) -> dict[str, Any]:
        """What `meta/info.json` holds."""
        return json.loads((self.root / schema.INFO_PATH).read_text())

    @cached_property
    def info_statistics(self) -> dict[str, Any]:
        """What `meta/stats.json` holds; nothing where there is none, as in v2.1."""
        path = self.root / schema.STATS_PATH
        try:
            return json.loads(path.read_text()) if path.exists() else {}
        except ValueError as error:
            raise DatasetError(f"{path} cannot be read ({error}); {checks.AGAIN}") from error

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The features that are numbers or truth values, without those that every set has of itself."""
        return {
            key: about
            for key, about in self.meta.features.items()
            if about["dtype"] not in ("image", "video", "string") and key not in RANKS
        }

    @property
    def cameras(self) -> list[str]:
        """The features that are pictures, stored as such or as video."""
        return [*self.meta.images, *self.meta.videos]

    @cached_property
    def tasks(self) -> list[str]:
        """Task strings by `task_index`."""
        return read_tasks(self.root)

    def rows(self, episode: EpisodePlace) -> pa.Table:
        """Return the frames of an episode in order; DatasetError naming the file that cannot be read."""
        try:
            group = schema.data_place(episode.facts)[1] if self.is_ours else None
            if group is not None:
                with pa.memory_map(str(episode.data)) as file:
                    return pq.ParquetFile(file, page_checksum_verification=True).read_row_group(group)
            if self._open is None or self._open[0] != episode.data:
                content = pq.ParquetFile(episode.data, page_checksum_verification=True)
                self._open = episode.data, content.read()
            table = self._open[1]
            mine = table.filter(pc.equal(table["episode_index"], episode.index))
        except (pa.ArrowException, OSError, KeyError) as error:
            where = f"{episode.data} (episode {episode.index})"
            raise DatasetError(f"{where} cannot be read ({described(error)}); {checks.AGAIN}") from error
        return mine if mine.num_rows < 2 else mine.sort_by("frame_index")

    def values(self, rows: pa.Table, key: str) -> np.ndarray:
        """Return a feature that is numbers as an array (T, *shape), (T,) where the shape is (1,)."""
        about = self.meta.features[key]
        column = rows[key].combine_chunks()
        while pa.types.is_nested(column.type):
            column = column.flatten()
        shape = [] if list(about["shape"]) == [1] else about["shape"]
        return column.to_numpy(zero_copy_only=False).reshape(rows.num_rows, *shape)

    def pictures(self, episode: EpisodePlace, key: str, rows: pa.Table) -> Iterator[np.ndarray]:
        """Yield the frames of a camera, uint8 (H, W, 3)."""
        if key in episode.videos:
            yield from decoded_frames(episode.videos[key], episode.length, self.meta.fps)
            return
        for number, cell in enumerate(rows[key]):
            where = f"{episode.data} (episode {episode.index}), frame {number} of {key}"
            yield checks.decoded(cell.as_py()["bytes"], where, None, 3)


def decoded_frames(place: VideoPlace, length: int, fps: float) -> Iterator[np.ndarray]:
    """Yield `length` frames of a video from a moment on, uint8 (H, W, 3); DatasetError where it has fewer."""
    count = 0
    try:
        with av.open(str(place.path)) as container:
            stream = container.streams.video[0]
            container.seek(max(0, int(place.begins * av.time_base)), backward=True)
            for frame in container.decode(stream):
                if count == length:
                    break
                if frame.time >= place.begins - 0.5 / fps:
                    count += 1
                    yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError, IndexError) as error:
        raise DatasetError(f"{place.path} cannot be decoded ({described(error)}); {checks.AGAIN}") from error
    if count < length:
        raise DatasetError(
            f"{place.path} has {count} frames from second {place.begins:g} on, the tables say {length}; "
            f"{checks.AGAIN}"
        )


def read_tasks(root: Path) -> list[str]:
    """Return the task strings by their index; DatasetError where the table cannot be read."""
    try:
        lines = root / "meta/tasks.jsonl"
        if lines.exists():
            rows = [json.loads(line) for line in lines.read_text().splitlines()]
            found = {row["task_index"]: row["task"] for row in rows}
        else:
            table = pq.read_table(root / schema.TASKS_PATH)
            words = next(name for name in table.column_names if name != "task_index")
            found = dict(zip(table["task_index"].to_pylist(), table[words].to_pylist(), strict=True))
        return [found[number] for number in range(len(found))]
    except (pa.ArrowException, OSError, ValueError, KeyError, StopIteration) as error:
        raise DatasetError(
            f"the tasks of {root} cannot be read ({described(error)}); {checks.AGAIN}"
        ) from error
