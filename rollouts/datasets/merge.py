"""Joins datasets, above all the shards that several machines or processes collected of one work list.

Shards come out exactly as one process would have made them. It refuses to know how episodes are played.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pretrain.sources import schema
from pretrain.sources.schema import DatasetError
from rollouts.datasets.encoding import EncodedEpisode
from rollouts.datasets.writer import DatasetWriter, episode_statistics, read_config


def merge(parts: Iterable[str | Path], output: str | Path) -> int:
    """Join datasets into a new folder and return its number of episodes.

    Shards of one collection (same settings but `shard`) are put in the order of the work list; other sets one
    behind the other.
    Raises DatasetError for a folder that is no dataset of ours, or an output that holds episodes already.
    """
    roots = [Path(part) for part in parts]
    rows = [(root, row) for root in roots for row in schema.read_index(root)]
    configs = [read_config(root) for root in roots]
    unsharded = [{**config, "shard": "1/1"} for config in configs]
    are_shards = all(config == unsharded[0] for config in unsharded)
    if are_shards:
        rows.sort(key=lambda item: item[1]["work_index"])
    with DatasetWriter(output, unsharded[0] if are_shards else {"merged": configs}) as writer:
        if writer.episodes:
            raise DatasetError(f"{output} holds {writer.episodes} episodes already: merge into a new folder")
        for root, row in rows:
            writer.publish(_encoded_from(root, row))
        for record in sorted(_errors(roots), key=lambda record: record["work_index"]):
            writer.record_error(record.pop("work_index"), record)
        return writer.episodes


def _errors(roots: list[Path]) -> list[dict[str, Any]]:
    paths = [root / schema.ERRORS_PATH for root in roots]
    return [json.loads(line) for path in paths if path.exists() for line in path.read_text().splitlines()]


def _encoded_from(root: Path, row: dict[str, Any]) -> EncodedEpisode:
    """Undo `publish`: the episode without its rank."""
    place = schema.place(row["episode_index"])
    frames = pq.ParquetFile(root / schema.DATA_PATH.format(**place)).read()
    assets = json.loads(row["prompt_assets"])
    files = [path for asset in assets.values() for kind in ("rgb", "segm") for path in asset[kind].values()]
    record = schema.read_record(root)
    final = {view: root / schema.FINAL_PATH.format(**place, view=view) for view in record.cameras}
    keys = [key for key in schema.features(record) if key not in schema.RANK_COLUMNS]
    return EncodedEpisode(
        record=record,
        instruction=row["tasks"][0],
        length=row["length"],
        frames={key: frames[key].combine_chunks() for key in keys},
        stats=episode_statistics(root / schema.EPISODES_PATH.format(**place)),
        facts={key: row[key] for key in schema.EPISODE_COLUMNS},
        final={view: path.read_bytes() for view, path in final.items()},
        files={path: (root / path).read_bytes() for path in files},
    )
