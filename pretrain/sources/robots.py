"""LeRobot datasets of anybody (Bridge, Language-Table and their like) as trajectories of numbers.

Unusual: an action of any dimension is described by a `ControlSpace`, whose ranges are the 1st and 99th
percentile of each dimension over the set (2,000 episodes spread over it, if it has more). They are computed
once, kept in the set's folder where that can be written, and belong into every checkpoint: the same tokens
mean other numbers under other ranges. A dimension that has two values only is a switch.

It refuses to know words for actions. Our own datasets have them: they are read by `lerobot`.
"""

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pretrain.sources import checks
from pretrain.sources.records import TrajectoryRecord
from pretrain.sources.robot_meta import EpisodePlace, RobotMeta, VideoPlace
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, Source, checked_index, digest, fingerprint, identity_of
from uio2_agent.errors import RequestError, described
from uio2_agent.files import replace_file
from uio2_agent.labels.controls import ControlSpace
from uio2_agent.media.video import read_frames_at

RANGES = "meta/uio2_ranges.json"
SUCCESS = "next.success"
_MOST_EPISODES = 2000
_LOOKED_INTO = 64
"""Data files whose content counts in the identity; of all the tables do."""


class RobotEpisodes(Source):
    """The episodes of a LeRobot dataset, in order of their indices.

    Arguments:
        action, state: features that hold them. A set without the state has states of no columns.
        cameras: features with pictures or videos to read; None for all.
        controls: names and ranges of the action's dimensions, as a checkpoint keeps them; None takes them
            from the data.

    Raises DatasetError when the folder is no such dataset or lacks a feature.
    """

    def __init__(
        self,
        name: str,
        root: str | Path,
        action: str = "action",
        state: str = "observation.state",
        cameras: Sequence[str] | None = None,
        controls: ControlSpace | None = None,
    ):
        self.name = name
        self._meta = RobotMeta(Path(root))
        self._action, self._names = action, self._meta.columns(action)
        self._state = state if state in self._meta.features else None
        known = [*self._meta.images, *self._meta.videos]
        self.cameras = known if cameras is None else list(cameras)
        if unknown := [camera for camera in self.cameras if camera not in known]:
            raise DatasetError(f"{root} has no camera {unknown[0]!r}: use {', '.join(known) or 'none'}")
        if controls is not None:
            self.controls = controls

    def __repr__(self) -> str:
        return f"RobotEpisodes({self.name}: {len(self)}, actions {self._names}, cameras {self.cameras})"

    def __len__(self) -> int:
        return len(self._meta.episodes)

    def __getitem__(self, index: int) -> TrajectoryRecord:
        """Return the episode at an index; pictures are decoded when looked at."""
        place = self._meta.episodes[checked_index(index, self)]
        numbers = self._numbers(place)
        frames: dict[str, Sequence[np.ndarray]] = {}
        for camera in self.cameras:
            if camera in place.videos:
                if not place.videos[camera].path.is_file():
                    raise BadRecord(
                        f"{place.videos[camera].path} is missing (episode {place.index}): get it again"
                    )
                frames[camera] = VideoFrames(place.videos[camera], place.length, self._meta.fps)
            else:
                frames[camera] = TableFrames(place, camera)
        state = self._state
        return TrajectoryRecord(
            instruction=place.instruction,
            frames=frames,
            actions=numbers[self._action],
            states=numbers[state] if state else np.zeros((place.length, 0), np.float32),
            controls=self.controls,
            fps=self._meta.fps,
            success=self._success(place),
        )

    def key(self, index: int) -> str:
        """Return a digest of the episode's instruction and actions."""
        place = self._meta.episodes[checked_index(index, self)]
        return digest([place.instruction, self._numbers(place)[self._action].tobytes()])

    @cached_property
    def identity(self) -> str:
        """The number of episodes and a digest of the set's tables and of some files' content."""
        root, episodes = self._meta.root, self._meta.episodes
        table = [f"{item.length} {item.instruction}" for item in episodes]
        files = list(dict.fromkeys(item.data for item in episodes))
        looked = [fingerprint(path) for path in files[:: -(-len(files) // _LOOKED_INTO)] if path.is_file()]
        features = json.dumps(self._meta.features, sort_keys=True)
        return identity_of(len(self), [features, *table, *looked, *(str(p.relative_to(root)) for p in files)])

    @cached_property
    def controls(self) -> ControlSpace:
        """Names and ranges of the dimensions of an action."""
        path = self._meta.root / RANGES
        mark = digest([self.identity, self._action])
        try:
            kept = json.loads(path.read_text())
            if kept.pop("of") == mark:
                return ControlSpace(**{name: tuple(values) for name, values in kept.items()})
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none yet, or of other data
        found = self._ranges()
        with contextlib.suppress(OSError):  # a folder of others
            replace_file(path, json.dumps({"of": mark, **dataclasses.asdict(found)}))
        return found

    def _ranges(self) -> ControlSpace:
        episodes = self._meta.episodes
        rows = []
        for place in episodes[:: -(-len(episodes) // _MOST_EPISODES)]:
            try:
                rows.append(self._numbers(place)[self._action])
            except BadRecord:  # it is counted when it is drawn
                continue
        if not rows:
            raise DatasetError(f"no episode of {self._meta.root} can be read: get its folder data again")
        actions = np.concatenate(rows)
        switches = [
            name for name, column in zip(self._names, actions.T, strict=True) if len(np.unique(column)) == 2
        ]
        return ControlSpace.from_data(actions, self._names, switches)

    def _success(self, place: EpisodePlace) -> bool | None:
        """Return whether any frame says that the task was done; None where the set has no such column."""
        if SUCCESS not in self._meta.features:
            return None
        return any(_rows(place, [SUCCESS])[SUCCESS].to_pylist())

    def _numbers(self, place: EpisodePlace) -> dict[str, np.ndarray]:
        """Return action and state, float32 [T, columns]."""
        keys = [self._action, *([self._state] if self._state else [])]
        table = _rows(place, keys)
        where = f"{place.data} (episode {place.index})"
        if table.num_rows != place.length:
            raise BadRecord(
                f"{where} has {table.num_rows} frames, the tables say {place.length}: get it again"
            )
        try:
            return {key: checks.numbers(table, key, where).astype(np.float32) for key in keys}
        except (DatasetError, ValueError) as error:
            raise BadRecord(str(error)) from error


class VideoFrames(Sequence[np.ndarray]):
    """The frames of an episode in a video file, uint8 (H, W, 3), each decoded when it is looked at."""

    def __init__(self, place: VideoPlace, length: int, fps: float):
        self._place, self._length, self._fps = place, length, fps

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> np.ndarray:
        number = range(self._length)[index]
        time = self._place.begins + (number + 0.5) / self._fps  # in the middle of its time on screen
        try:
            return read_frames_at(self._place.path, [time])[0]
        except RequestError as error:
            raise BadRecord(f"{self._place.path}, frame {number}: {error}") from error


class TableFrames(Sequence[np.ndarray]):
    """The pictures of an episode in its data file, uint8 (H, W, 3), each decoded when it is looked at."""

    def __init__(self, place: EpisodePlace, camera: str):
        self._place, self._camera = place, camera

    def __len__(self) -> int:
        return self._place.length

    def __getitem__(self, index: Any) -> np.ndarray:
        number = range(len(self))[index]
        where = f"{self._place.data} (episode {self._place.index}), frame {number} of {self._camera}"
        try:
            return checks.decoded(self._cells[number].as_py()["bytes"], where, None, 3)
        except DatasetError as error:
            raise BadRecord(str(error)) from error

    @cached_property
    def _cells(self) -> pa.ChunkedArray:
        return _rows(self._place, [self._camera])[self._camera]


def _rows(place: EpisodePlace, columns: Sequence[str]) -> pa.Table:
    """Return columns of an episode's frames, in order."""
    try:
        table = pq.read_table(
            place.data,
            columns=[*columns, "frame_index"],
            filters=[("episode_index", "=", place.index)],
            partitioning=None,
        )
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BadRecord(
            f"{place.data} (episode {place.index}) cannot be read ({described(error)}): get it again"
        ) from error
    return table.sort_by("frame_index")
