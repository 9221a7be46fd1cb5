"""Stored bytes to pictures, tables and objects, or a line that says what is wrong with them and where.

It refuses to know what is done with them.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pretrain.sources.schema import NEWER_COLUMNS, OLDER_NAMES, DatasetError, Layout
from uio2_agent.media.pixels import picture_to_rgb

AGAIN = "restore it or collect again"


def read_bytes(path: Path) -> bytes:
    """Return a file's content; DatasetError naming it where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; {AGAIN}") from error


def check_picture(content: bytes | None, where: str, size: Sequence[int] | None = None) -> None:
    """Raise DatasetError unless this is a whole PNG, by its own checksums, of the size (height, width)."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = image.size[::-1]
            if size is None or found == tuple(size):
                image.verify()
    except Exception as error:  # damaged bytes make a decoder do anything at all
        raise DatasetError(f"{where} is no whole picture ({error}); {AGAIN}") from error
    if size is not None and found != tuple(size):
        raise DatasetError(f"{where} has {found} pixels, not {tuple(size)}; {AGAIN}")


def decoded(content: bytes | None, where: str, size: Sequence[int] | None, channels: int) -> np.ndarray:
    """Return a PNG as read-only uint8 (H, W, 3), of whatever mode it is stored in, or (H, W) for one channel;
    `size` None is any.

    Raises DatasetError that begins with `where`.
    """
    check_picture(content, where, size)
    try:
        picture = Image.open(io.BytesIO(content))
        array = np.array(picture_to_rgb(picture) if channels == 3 else picture)
    except Exception as error:  # as there
        raise DatasetError(f"{where} is no whole picture ({error}); {AGAIN}") from error
    if array.dtype != np.uint8 or array.shape[2:] != ((channels,) if channels > 1 else ()):
        raise DatasetError(f"{where} is {array.dtype} {array.shape}, not of {channels} channels; {AGAIN}")
    array.flags.writeable = False
    return array


def read_frames(path: Path, episode: int, length: int, layout: Layout, group: int | None = None) -> pa.Table:
    """Return the frames of an episode, as its set's layout has them: all of the file, or a row group of it.
    Columns of older formats get the names of today.

    Raises DatasetError naming the file: it is missing or damaged, lacks columns, has others in their place,
    or holds something else than this episode.
    """
    try:
        content = pa.BufferReader(read_bytes(path)) if group is None else pa.memory_map(str(path))
        file = pq.ParquetFile(content, page_checksum_verification=True, pre_buffer=False)
        # threads cost more than they bring to a few rows
        table = (
            file.read(use_threads=False) if group is None else file.read_row_group(group, use_threads=False)
        )
        table.validate(full=True)
    except DatasetError:
        raise
    except Exception as error:  # damaged bytes make a reader do anything at all
        reason = " ".join(str(error).split())
        raise DatasetError(f"cannot read {path} (episode {episode}): {reason}; {AGAIN}") from error
    older = {name: now for name, now in OLDER_NAMES.items() if name in table.column_names}
    table = table.rename_columns([older.get(name, name) for name in table.column_names])
    problem = _misfit(table, episode, length, layout)
    if problem:
        raise DatasetError(f"{path} (episode {episode}) {problem}; {AGAIN}")
    return table


def _misfit(table: pa.Table, episode: int, length: int, layout: Layout) -> str:
    for field in layout.data:
        if field.name not in table.column_names:
            if field.name in NEWER_COLUMNS:
                continue
            return f"has no column {field.name}"
        column = table[field.name]
        if column.type != field.type:
            return f"has {column.type} in column {field.name}, not {field.type}"
        if column.null_count:
            return f"has nothing in some rows of column {field.name}"
    if table.num_rows != length:
        return f"has {table.num_rows} frames, the index says {length}"
    ranks = table["episode_index"].to_numpy(), table["frame_index"].to_numpy()
    if (ranks[0] != episode).any() or (ranks[1] != np.arange(length)).any():
        return "holds the frames of another episode"
    return ""


def numbers(table: pa.Table, key: str, where: str) -> np.ndarray:
    """Return a column of numbers as float32 (T, columns); DatasetError names the frame of a NaN."""
    array = table[key].combine_chunks()
    values = array.flatten() if pa.types.is_nested(array.type) else array  # one column is no list
    found = values.to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
    if broken := np.argwhere(~np.isfinite(found)).tolist():
        frame, column = broken[0]
        raise DatasetError(
            f"{where}, frame {frame}: number {column} of {key} is {found[frame, column]}; {AGAIN}"
        )
    return found


def json_objects(text: str, where: str) -> list[dict[str, Any]]:
    """Return what a stored frame tells of its objects, each with at least `name`, `texture` and `boxes`."""
    things = json_value(text, where)
    try:
        whole = all(
            isinstance(thing["name"], str)
            and isinstance(thing["texture"], str)
            and all(box is None or len([edge + 0 for edge in box]) == 4 for box in thing["boxes"].values())
            for thing in things
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        whole = False
    if not (whole and isinstance(things, list)):
        raise DatasetError(f"{where} tells no objects with name, texture and boxes; {AGAIN}")
    return things


def prompt_assets(text: str, where: str) -> dict[str, dict[str, Any]]:
    """Return the described pictures of a prompt: `rgb` and `segm` hold paths in the set, by view."""
    assets = json_value(text, where)
    try:
        for asset in assets.values():
            paths = [*asset["rgb"].values(), *asset.get("segm", {}).values()]
            outside = [path for path in paths if Path(path).is_absolute() or ".." in Path(path).parts]
            if outside or not isinstance(asset["placeholder_type"], str) or "obj_info" not in asset:
                raise ValueError
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DatasetError(f"{where} does not describe the pictures of a prompt; {AGAIN}") from error
    return assets


def json_value(text: str, where: str) -> Any:
    """Return the value of JSON; DatasetError begins with `where`."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DatasetError(f"{where} cannot be read ({error}); {AGAIN}") from error
