"""A few large files in place of many small ones: same episodes, the original untouched.

PNG stays as it is, byte for byte, and such a set of ours stays one of ours: an episode becomes a row group of
its data file, the index says which. Cameras may become H.264 films instead; those are decoded again and
compared before the set appears, and it is read by LeRobot and by `uio2 pretrain`, no longer by `uio2 train`.

It refuses sets whose cameras are films already: to encode them again would lose more.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pretrain.sources import schema
from pretrain.sources.robot_meta import EpisodePlace, VideoPlace
from pretrain.sources.schema import DatasetError
from rollouts.datasets.films import Film, film_rate, video_info
from rollouts.datasets.new_folder import new_folder
from rollouts.datasets.stored import StoredSet, decoded_frames

VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
TOLERANCE = 6.0
"""Levels of 255 that a decoded frame may differ from the stored one, in the mean over its pixels."""
_KEPT = ("final", "prompts", "maps")
_LISTS = (schema.ERRORS_PATH, schema.DROPPED_PATH)


def compact(
    root: str | Path,
    output: str | Path,
    video: bool = False,
    file_mb: int = 100,
    advance: Callable[[str], object] = str,
) -> dict[str, Any]:
    """Write a set anew in files of about `file_mb` MB; returns `files` before and after, and the largest mean
    difference of a decoded frame in levels of 255, `difference`.

    Raises DatasetError for a damaged set, an output that is not empty, and frames that differ too much.
    """
    stored = StoredSet(root)
    if not stored.meta.version.startswith("v3"):
        raise DatasetError(f"{root} has format {stored.meta.version}: compact takes v3.0")
    if stored.meta.videos:
        raise DatasetError(f"the cameras of {root} are films already: compact takes sets with pictures")
    films = stored.meta.images if video else []
    with new_folder(output) as folder:
        writer = _Files(stored, folder, films)
        places = [
            place
            for number, episodes in enumerate(_shares(stored, file_mb << 20))
            for place in writer.write(divmod(number, schema.CHUNK_SIZE), episodes, advance)
        ]
        _write_tables(stored, folder, places, films)
        _write_meta(stored, folder, films, file_mb)
    before, after = (sum(path.is_file() for path in Path(place).rglob("*")) for place in (root, output))
    return {"episodes": len(places), "files": (before, after), "difference": writer.difference}


class _Files:
    """Writes data files and films, and knows the largest difference that encoding made."""

    def __init__(self, stored: StoredSet, folder: Path, films: Sequence[str]):
        self.difference = 0.0
        self._stored, self._folder, self._films = stored, folder, films

    def write(
        self, place: tuple[int, int], episodes: Sequence[EpisodePlace], advance: Callable[[str], object]
    ) -> Iterator[dict[str, Any]]:
        """Write one data file and its films; yields where each episode stands."""
        chunk, file = place
        names = {"chunk_index": chunk, "file_index": file}
        path = self._folder / schema.DATA_PATH.format(**names)
        path.parent.mkdir(parents=True, exist_ok=True)
        films = {
            key: Film(
                self._folder / VIDEO_PATH.format(video_key=key, **names), film_rate(self._stored.meta.fps)
            )
            for key in self._films
        }
        writer, found = None, []
        try:
            for group, episode in enumerate(episodes):
                rows = self._stored.rows(episode)
                kept = rows.drop_columns(list(self._films)) if self._films else rows
                kept = kept.replace_schema_metadata(_without(rows.schema.metadata, self._films))
                writer = writer or pq.ParquetWriter(
                    path, kept.schema, compression="snappy", write_page_checksum=True
                )
                writer.write_table(kept, row_group_size=max(1, kept.num_rows))
                spans = {
                    key: film.add(self._stored.pictures(episode, key, rows)) for key, film in films.items()
                }
                found.append({"place": [chunk, file, group], "spans": spans})
                advance("")
        finally:
            for closed in (writer, *films.values()):
                if closed is not None:
                    closed.close()
        for key, film in films.items():
            for episode, at in zip(episodes, found, strict=True):
                shown = VideoPlace(film.path, at["spans"][key][0])
                rows = self._stored.rows(episode)
                pairs = zip(
                    self._stored.pictures(episode, key, rows),
                    decoded_frames(shown, episode.length, self._stored.meta.fps),
                    strict=True,
                )
                self._compare(pairs, f"episode {episode.index}, {key}")
        yield from found

    def _compare(self, pairs: Any, where: str) -> None:
        for number, (before, after) in enumerate(pairs):
            apart = float(np.abs(before.astype(np.int16) - after).mean())
            self.difference = max(self.difference, apart)
            if apart > TOLERANCE:
                raise DatasetError(
                    f"{where}, frame {number}: the film differs by {apart:.1f} levels in the mean, more than "
                    f"{TOLERANCE:g}: leave video=false"
                )


def _shares(stored: StoredSet, limit: int) -> Iterator[list[EpisodePlace]]:
    """The episodes of each file, by the size of those they come from."""
    share, size = [], 0
    sizes = {place.data: 0 for place in stored.episodes}
    for place in stored.episodes:
        sizes[place.data] += place.length
    for place in stored.episodes:
        weight = place.data.stat().st_size * place.length // sizes[place.data] if place.data.exists() else 0
        if share and size + weight > limit:
            yield share
            share, size = [], 0
        share.append(place)
        size += weight
    yield share


def _without(metadata: Any, films: Sequence[str]) -> Any:
    """Arrow metadata that no longer names the columns that became films."""
    if not metadata or b"huggingface" not in metadata:
        return metadata
    told = json.loads(metadata[b"huggingface"])
    for key in films:
        told["info"]["features"].pop(key, None)
    return {**metadata, b"huggingface": json.dumps(told).encode()}


def _write_tables(stored: StoredSet, folder: Path, places: Sequence[Any], films: Sequence[str]) -> None:
    """The table of episodes in one file, with statistics and facts as they were."""
    paths = sorted((stored.root / "meta/episodes").rglob("*.parquet"))
    if stored.is_ours and (stored.episodes[-1].facts.get("place") is None):
        paths = paths[: len(stored.episodes)]  # what the index counts
    table = pa.concat_tables(
        [pq.read_table(path, partitioning=None) for path in paths], promote_options="default"
    )
    table = table.sort_by("episode_index")
    if table.num_rows != len(places):
        raise DatasetError(
            f"{stored.root} has {table.num_rows} rows in its tables and {len(places)} episodes: see "
            "uio2 dataset verify"
        )
    zero = [0] * len(places)
    columns: dict[str, list[Any]] = {
        "data/chunk_index": [at["place"][0] for at in places],
        "data/file_index": [at["place"][1] for at in places],
        "meta/episodes/chunk_index": zero,
        "meta/episodes/file_index": zero,
    }
    for key in films:
        columns[f"videos/{key}/chunk_index"] = columns["data/chunk_index"]
        columns[f"videos/{key}/file_index"] = columns["data/file_index"]
        for number, name in enumerate(("from_timestamp", "to_timestamp")):
            columns[f"videos/{key}/{name}"] = [at["spans"][key][number] for at in places]
    for name, values in columns.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, pa.array(values))
        else:
            table = table.append_column(name, pa.array(values))
    path = folder / schema.EPISODES_PATH.format(**schema.place(0))
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, compression="snappy", write_page_checksum=True)
    if stored.is_ours and not films:
        rows = [
            {**episode.facts, "place": at["place"]}
            for episode, at in zip(stored.episodes, places, strict=True)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / schema.INDEX_PATH).write_text(lines)


def _write_meta(stored: StoredSet, folder: Path, films: Sequence[str], file_mb: int) -> None:
    """What describes the whole set, and what only ours have."""
    for name in (schema.STATS_PATH, schema.TASKS_PATH, *(_LISTS if not films else ())):
        if (stored.root / name).exists():
            shutil.copyfile(stored.root / name, folder / name)
    if stored.is_ours and not films:
        kept = json.loads((stored.root / schema.PROVENANCE_PATH).read_text())
        text = json.dumps({**kept, "compacted": True}, indent=2)
        (folder / schema.PROVENANCE_PATH).write_text(text)
        for name in _KEPT:
            if (stored.root / name).is_dir():
                shutil.copytree(stored.root / name, folder / name)
    features = {key: dict(about) for key, about in stored.meta.features.items()}
    for key in films:
        height, width = features[key]["shape"][:2]
        features[key] |= {"dtype": "video", "info": video_info(height, width, stored.meta.fps)}
    changes = {
        "data_files_size_in_mb": file_mb,
        "data_path": schema.DATA_PATH,
        "video_path": VIDEO_PATH if films else None,
        "features": features,
    }
    (folder / schema.INFO_PATH).write_text(json.dumps({**stored.info, **changes}, indent=2) + "\n")
