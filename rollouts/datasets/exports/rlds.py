"""Steps as RLDS has them, in Parquet: a row a step, episodes one behind the other.

    steps/file-00000.parquet   is_first, is_last, is_terminal, discount, reward, action, language_instruction,
                               observation/<name> (cameras as PNG), episode_id, step_id
    episodes.jsonl             a line an episode: episode_id, length, and what the set says of it

The last step of an episode has the observation after the last action; its action and reward mean nothing and
are zeros, as RLDS has it. Where a set stores no such observation there is no such step. Source: RLDS's
dataset format.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rollouts.datasets.encoding import png
from rollouts.datasets.exports.transitions import Transitions, facts, transitions
from rollouts.datasets.new_folder import new_folder
from rollouts.datasets.stored import StoredSet

_ROWS = 20_000
"""Steps of a file, about."""


def write(stored: StoredSet, output: Path, advance: Callable[[str], object]) -> Path:
    """Write the steps and the list of episodes into a new folder; returns it."""
    with new_folder(output) as folder:
        (folder / "steps").mkdir()
        writer, rows, files, lines = None, 0, 0, []
        try:
            for place in stored.episodes:
                episode = transitions(stored, place)
                table = _steps(episode, place.index)
                if writer is None or rows + table.num_rows > _ROWS:
                    if writer is not None:
                        writer.close()
                    path = folder / "steps" / f"file-{files:05d}.parquet"
                    writer, rows, files = pq.ParquetWriter(path, table.schema), 0, files + 1
                writer.write_table(table)
                rows += table.num_rows
                told = {"episode_id": place.index, "steps": table.num_rows, "success": episode.success}
                lines.append(json.dumps({**facts(place), **told}) + "\n")
                advance("")
        finally:
            if writer is not None:
                writer.close()
        (folder / "episodes.jsonl").write_text("".join(lines))
    return output


def _steps(episode: Transitions, index: int) -> pa.Table:
    length = len(episode.actions) + episode.complete
    place = np.arange(length)
    ended = bool(episode.terminated[-1])

    def padded(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.zeros_like(values[:1])]) if episode.complete else values

    columns: dict[str, Any] = {
        "episode_id": np.full(length, index),
        "step_id": place,
        "is_first": place == 0,
        "is_last": place == length - 1,
        "is_terminal": (place == length - 1) & ended,
        "discount": np.where((place == length - 1) & ended, 0, 1).astype(np.float32),
        "reward": padded(episode.rewards),
        "action": _lists(padded(episode.actions)),
        "language_instruction": [episode.instruction] * length,
    }
    for name, seen in episode.observations.items():
        seen = seen[:length]
        columns[f"observation/{name}"] = (
            [png(picture) for picture in seen] if seen.ndim == 4 else _lists(seen)
        )
    return pa.table(columns)


def _lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
