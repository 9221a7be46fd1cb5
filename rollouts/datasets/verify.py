"""Is a dataset whole? Every file, count, index, statistic and picture, and what is wrong by name.

Unusual: it goes on after a fault, so that one run names them all. Torn files are told by what they carry
themselves: Parquet's page checksums, PNG's, and a film's frames counted by decoding it.

It refuses to mend anything.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pretrain.sources import checks, schema
from pretrain.sources.lerobot import EpisodeRecord
from pretrain.sources.robot_meta import EpisodePlace
from pretrain.sources.schema import DatasetError
from rollouts.datasets.encoding import StatisticsFold
from rollouts.datasets.recount import differences, episode_counted, loose_cameras, statistic_keys
from rollouts.datasets.stored import RANKS, StoredSet, decoded_frames
from rollouts.datasets.writer import episode_statistics
from uio2_agent.files import PARTIAL

_TOLERANCE = 1e-4
"""Seconds that a timestamp may be off, as LeRobot has it."""


def verify(root: str | Path, advance: Callable[[str], object] = str) -> list[str]:
    """Return what is wrong with a dataset, a line each; none where it is whole."""
    try:
        stored = StoredSet(root)
        return list(_problems(stored, advance))
    except DatasetError as error:
        return [str(error)]


def _problems(stored: StoredSet, advance: Callable[[str], object]) -> Iterator[str]:
    yield from _counts(stored)
    fold, start, whole = StatisticsFold(), 0, True
    record = schema.read_record(stored.root) if stored.is_ours else None
    for place in stored.episodes:
        found = list(_episode_problems(stored, place, start, fold))
        if record is not None and not found:
            found = list(_ours(stored.root, place, record))
        whole = whole and not found
        yield from found
        start += place.length
        advance("")
    if whole:
        for line in differences(stored.info_statistics, fold.as_dict(), loose_cameras(stored)):
            yield f"{stored.root / schema.STATS_PATH}: {line}; uio2 dataset stats write=true counts anew"
    yield from _strays(stored)


def _counts(stored: StoredSet) -> Iterator[str]:
    """What info.json says against the table of episodes."""
    where, info, episodes = stored.root / schema.INFO_PATH, stored.info, stored.episodes
    tasks = stored.tasks
    frames = sum(place.length for place in episodes)
    counts = {"total_episodes": len(episodes), "total_frames": frames, "total_tasks": len(tasks)}
    for name, count in counts.items():
        if info.get(name) != count:
            yield f"{where}: {name} is {info.get(name)}, the tables hold {count}"
    indices = [place.index for place in episodes]
    if indices != list(range(len(indices))):
        doubled = sorted({index for index in indices if indices.count(index) > 1})[:3]
        missing = sorted(set(range(max(indices) + 1)) - set(indices))[:3]
        yield f"{stored.root}: episodes do not count 0, 1, 2, …: missing {missing}, doubled {doubled}"
    for place in episodes:
        if unknown := [task for task in place.facts.get("tasks", []) if task not in tasks]:
            yield f"{stored.root}: episode {place.index} has the unknown task {unknown[0]!r}"


def _episode_problems(
    stored: StoredSet, place: EpisodePlace, start: int, fold: StatisticsFold
) -> Iterator[str]:
    where = f"{place.data} (episode {place.index})"
    try:
        rows = stored.rows(place)
    except DatasetError as error:
        yield str(error)
        return
    wanted = [key for key, about in stored.meta.features.items() if about["dtype"] != "video"]
    if lacking := [key for key in wanted if key not in rows.column_names and key not in schema.NEWER_COLUMNS]:
        yield f"{where} has no column {lacking[0]}"
        return
    if rows.num_rows != place.length:
        yield f"{where} has {rows.num_rows} frames, the tables say {place.length}"
        return
    yield from _ranks(stored, place, rows, start, where)
    if empty := [key for key in wanted if key in rows.column_names and rows[key].null_count]:
        yield f"{where} has nothing in some rows of column {empty[0]}"
        return
    for key, about in stored.numbers.items():
        try:
            values = stored.values(rows, key)
        except ValueError:
            yield f"{where}: {key} has not the shape {about['shape']}"
            return
        if str(values.dtype) != about["dtype"]:
            yield f"{where}: {key} is {values.dtype}, info.json says {about['dtype']}"
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            yield f"{where}, frame {np.argwhere(~np.isfinite(values))[0][0]}: {key} is no number"
            return
    yield from _pictures(stored, place, rows)
    try:
        found = episode_counted(stored, place, rows, statistic_keys(stored, pictures=True))
    except (DatasetError, ValueError):
        return  # its pictures were named above
    fold.add(found)
    for line in differences(_own_statistics(stored, place), found):
        yield f"the table of episodes, episode {place.index}: {line}"


def _ranks(stored: StoredSet, place: EpisodePlace, rows: Any, start: int, where: str) -> Iterator[str]:
    count = np.arange(place.length)
    got = {key: rows[key].to_numpy() for key in RANKS}
    ranks = {"frame_index": count, "index": start + count, "episode_index": count * 0 + place.index}
    for key, numbers in ranks.items():
        if (wrong := got[key] != numbers).any():
            at = int(wrong.argmax())
            yield f"{where}, frame {at}: {key} is {got[key][at]}, not {numbers[at]}"
    late = np.abs(got["timestamp"] - count / stored.meta.fps) > _TOLERANCE
    if late.any():
        at = int(late.argmax())
        found, wanted = got["timestamp"][at], at / stored.meta.fps
        yield f"{where}, frame {at}: timestamp is {found}, at {stored.meta.fps:g} fps it is {wanted:g}"
    for number in np.unique(got["task_index"]).tolist():
        if not 0 <= number < len(stored.tasks):
            yield f"{where}: task_index {number} is not in the tasks"
        elif place.facts.get("tasks") and stored.tasks[number] not in place.facts["tasks"]:
            yield f"{where}: task_index {number} is another task than the table of episodes says"
    edges = place.facts.get("dataset_from_index", start), place.facts.get("dataset_to_index")
    if edges[0] != start or edges[1] not in (None, start + place.length):
        said = f"{edges[0]} to {edges[1]}, not {start} to {start + place.length}"
        yield f"the table of episodes, episode {place.index}: it stands at frames {said}"


def _pictures(stored: StoredSet, place: EpisodePlace, rows: Any) -> Iterator[str]:
    for key in stored.cameras:
        size = tuple(stored.meta.features[key]["shape"][:2])
        try:
            if key in place.videos:
                for frame in decoded_frames(place.videos[key], place.length, stored.meta.fps):
                    if frame.shape[:2] != size:
                        raise DatasetError(
                            f"{place.videos[key].path} has {frame.shape[:2]} pixels, not {size}"
                        )
            else:
                for number, cell in enumerate(rows[key]):
                    where = f"{place.data} (episode {place.index}), frame {number} of {key}"
                    checks.check_picture(cell.as_py()["bytes"], where, size)
        except DatasetError as error:
            yield str(error)


def _own_statistics(stored: StoredSet, place: EpisodePlace) -> dict[str, Any]:
    """The statistics that the table keeps of an episode; ours keeps a file for each."""
    if not stored.is_ours or schema.data_place(place.facts)[1] is not None:
        return {}
    return episode_statistics(stored.root / schema.EPISODES_PATH.format(**schema.place(place.index)))


def _ours(root: Path, place: EpisodePlace, record: Any) -> Iterator[str]:
    """What only our sets have: final pictures, prompts, objects, and the row that must say the same."""
    try:
        EpisodeRecord(root, place.facts, record).check()
        if schema.data_place(place.facts)[1] is not None:
            return
        path = root / schema.EPISODES_PATH.format(**schema.place(place.index))
        row = pq.read_table(path, partitioning=None).to_pylist()[0]
        for key in schema.INDEX_COLUMNS:
            if key in place.facts and key in row and row[key] != place.facts[key]:
                yield f"{path}: {key} is {row[key]!r}, the index says {place.facts[key]!r}"
    except DatasetError as error:
        yield str(error)


def _strays(stored: StoredSet) -> Iterator[str]:
    """Files of frames that no episode owns, and those that a killed writer left."""
    owned = {place.data for place in stored.episodes}
    owned |= {video.path for place in stored.episodes for video in place.videos.values()}
    for folder, ending in (("data", "parquet"), ("videos", "mp4")):
        for path in sorted((stored.root / folder).rglob(f"*.{ending}")):
            if path not in owned:
                yield f"{path} belongs to no episode: remove it"
    for path in sorted(stored.root.rglob(f"*{PARTIAL}")):
        yield f"{path} is a file that was not finished: remove it"
