"""Joins datasets, above all the shards that several machines or processes collected of one work list.

Shards come out exactly as one process would have made them. It refuses to know how episodes are played.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pretrain.sources import checks, schema
from pretrain.sources.lerobot import EpisodeRecord
from pretrain.sources.schema import DatasetError
from rollouts.datasets.encoding import EncodedEpisode
from rollouts.datasets.maps import map_paths
from rollouts.datasets.writer import MOST_AT_ONCE, DatasetWriter, episode_statistics, read_config


def merge(parts: Iterable[str | Path], output: str | Path) -> int:
    """Join datasets into a new folder and return its number of episodes.

    Shards of one collection (same settings but `shard`) are put in the order of the work list; other sets one
    behind the other. Nothing is lost or doubled silently: all shards must be there, each collected as far as
    the others, and no episode may stand in two places.
    Raises DatasetError for that, for a folder that is no dataset of ours, or an output that holds episodes.
    """
    roots = [Path(part) for part in parts]
    rows = [(root, row) for root in roots for row in schema.read_index(root)]
    configs = [read_config(root) for root in roots]
    unsharded = [{**config, "shard": "1/1"} for config in configs]
    are_shards = all("shard" in config for config in configs) and all(c == unsharded[0] for c in unsharded)
    _check_doubles(rows)
    if are_shards:
        _check_holes(roots, [config["shard"] for config in configs])
        rows.sort(key=lambda item: item[1]["work_index"])
    with DatasetWriter(output, unsharded[0] if are_shards else {"merged": configs}) as writer:
        if writer.episodes:
            raise DatasetError(f"{output} holds {writer.episodes} episodes already: merge into a new folder")
        for first in range(0, len(rows), MOST_AT_ONCE):
            writer.publish_all([encoded_from(*row) for row in rows[first : first + MOST_AT_ONCE]])
        for record in _lines(roots, schema.DROPPED_PATH):
            writer.record_dropped(record["work_index"], record["status"])
        for record in _lines(roots, schema.ERRORS_PATH):
            writer.record_error(record.pop("work_index"), record)
        return writer.episodes


def _check_doubles(rows: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """Raise DatasetError where an episode stands in two places."""
    found: dict[str, tuple[Path, int]] = {}
    for root, row in rows:
        identity, index = schema.episode_identity(row), row["episode_index"]
        if identity in found:
            other, place = found[identity]
            raise DatasetError(
                f"episode {place} of {other} and episode {index} of {root} are the same one: merge "
                "each set once"
            )
        found[identity] = root, index


def _check_holes(roots: Sequence[Path], shards: Sequence[str]) -> None:
    """Raise DatasetError unless all shards are there, each collected as far as the longest."""
    parts = int(shards[0].partition("/")[2])
    numbers = [int(shard.partition("/")[0]) for shard in shards]
    if {shard.partition("/")[2] for shard in shards} != {str(parts)} or sorted(numbers) != list(
        range(1, parts + 1)
    ):
        raise DatasetError(
            f"shards {', '.join(shards)} are not one collection: merge each of 1/{parts} to {parts}/{parts} "
            "once"
        )
    settled = [_settled(root) for root in roots]
    end = 1 + max((max(done) for done in settled if done), default=-1)
    for root, number, done in zip(roots, numbers, settled, strict=True):
        if missing := sorted(set(range(number - 1, end, parts)) - done):
            raise DatasetError(
                f"{root} (shard {number}/{parts}) lacks {len(missing)} pieces of work that the others have, "
                f"the first at place {missing[0]} of the list: start the same uio2 collect again, then merge"
            )


def _settled(root: Path) -> set[int]:
    """Places of the work list that a shard has done: kept, dropped, or ended in an error."""
    lines = [*schema.read_index(root), *_lines([root], schema.DROPPED_PATH)]
    return {line["work_index"] for line in (*lines, *_lines([root], schema.ERRORS_PATH))}


def _lines(roots: Iterable[Path], name: str) -> list[dict[str, Any]]:
    """Records of a file of several datasets, in order of the work list."""
    records = [record for root in roots for record in schema.read_lines(root / name)]
    return sorted(records, key=lambda record: record["work_index"])


def encoded_from(root: Path, row: dict[str, Any]) -> EncodedEpisode:
    """Undo `publish`: the episode without its rank. Raises DatasetError for one that is damaged."""
    record = schema.read_record(root)
    EpisodeRecord(root, row, record).check()
    place = schema.place(row["episode_index"])
    layout = schema.layout(record)
    data = root / schema.DATA_PATH.format(**place)
    frames = checks.read_frames(data, row["episode_index"], row["length"], layout)
    assets = json.loads(row["prompt_assets"])
    files = [path for asset in assets.values() for kind in ("rgb", "segm") for path in asset[kind].values()]
    final = {view: root / schema.FINAL_PATH.format(**place, view=view) for view in record.cameras}
    drawn = map_paths(root, row["episode_index"])
    keys = [key for key in layout.features if key not in schema.RANK_COLUMNS]
    return EncodedEpisode(
        record=record,
        instruction=row["tasks"][0],
        length=row["length"],
        frames={key: frames[key].combine_chunks() for key in keys},
        stats=episode_statistics(root / schema.EPISODES_PATH.format(**place)),
        facts={key: row[key] for key in schema.EPISODE_COLUMNS},
        final={view: checks.read_bytes(path) for view, path in final.items()},
        files={path: checks.read_bytes(root / path) for path in files},
        floor_map={kind: path.read_bytes() for kind, path in drawn.items() if path.exists()},
    )
