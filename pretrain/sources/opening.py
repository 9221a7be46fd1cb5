"""A name of data to a source: which form a folder has is seen by what is in it.

| what is there | form |
| --- | --- |
| `meta/uio2_agent.json`, or what else `EpisodeFolders` knows (kind trajectory) | our own episodes |
| `meta/info.json` | a LeRobot dataset of anybody |
| `state.json` | a Hugging Face dataset on disk |
| `*.tar` | WebDataset shards |
| `*.parquet` | Parquet files |
| anything else | a folder of files |
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pretrain.sources.arrow_tables import ArrowFiles, ParquetFiles
from pretrain.sources.derived import Pairs, Patches
from pretrain.sources.file_folders import FileFolder
from pretrain.sources.kinds import KINDS, fields_of
from pretrain.sources.own_episodes import OwnEpisodes
from pretrain.sources.record_source import RecordSource
from pretrain.sources.robot_meta import INFO
from pretrain.sources.robots import RobotEpisodes
from pretrain.sources.schema import INDEX_PATH, DatasetError
from pretrain.sources.source import Source
from pretrain.sources.store import Store
from pretrain.sources.tar_shards import TarShards
from uio2_agent.errors import did_you_mean, offered

TRAJECTORY = "trajectory"
"""The kind of episodes of any body."""
_DERIVED = {"pairs": Pairs, "patches": Patches}
"""Kinds that are made of images with captions."""


def open_source(
    name: str,
    path: str | Path | Sequence[str | Path],
    kind: str,
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> Source:
    """Open the data at a path, of whatever form, as examples of a kind: one of `kinds.KINDS`, "pairs" or
    "patches" (`derived`), or "trajectory".

    Arguments:
        path: a folder, files, or a pattern of files.
        columns: part of an example to the field or column that holds it, where it has an unusual name.
        options: those of `RobotEpisodes`, for a LeRobot dataset.

    Raises DatasetError when there is nothing of that kind.
    """
    kinds = [*KINDS, *_DERIVED, TRAJECTORY]
    if kind not in kinds:
        raise DatasetError(
            f"source {name}: kind {kind!r} is unknown{did_you_mean(kind, kinds)}: use {offered(kind, kinds)}"
        )
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise DatasetError(f"source {name} has no path: name a folder or files")
    if kind in _DERIVED:
        return _DERIVED[kind](open_source(name, path, "image_text", columns))
    if kind != TRAJECTORY:
        return RecordSource(name, open_store(paths, fields_of(kind, columns)), kind, columns)
    root = Path(paths[0])
    if (root / INFO).is_file() and not (root / INDEX_PATH).is_file():
        if len(paths) > 1:
            raise DatasetError(f"source {name}: a LeRobot dataset is one folder; give each a name of its own")
        return RobotEpisodes(name, root, **(columns or {}), **options)
    return OwnEpisodes(name, paths)


def open_store(paths: Sequence[str | Path], columns: Collection[str] | None = None) -> Store:
    """Open data of the form that the first of the paths has, of tables the columns alone that are named.

    Raises DatasetError when there is nothing, or there are several folders of a form that has one.
    """
    first = str(paths[0])
    root = Path(first)
    if first.endswith(".tar") or (root.is_dir() and next(root.rglob("*.tar"), None)):
        return TarShards(paths)
    if first.endswith(".parquet") or (root.is_dir() and next(root.rglob("*.parquet"), None)):
        return ParquetFiles(paths, columns)
    if root.is_dir():
        if len(paths) > 1:
            raise DatasetError(f"{paths[1]}, after {first}: give each folder of files a source of its own")
        is_table = (root / "state.json").is_file() or (root / "dataset_dict.json").is_file()
        return ArrowFiles(root, columns) if is_table else FileFolder(root)
    if any(first.endswith(ending) for ending in (".tar.gz", ".tgz", ".tar.zst")):
        raise DatasetError(f"{first} is compressed, which allows no random access: decompress it to .tar")
    raise DatasetError(f"no data at {first}: name a folder, *.tar or *.parquet files, or a pattern of them")
