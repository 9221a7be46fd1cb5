"""LeRobot v2.1: a data file and a film of each camera per episode, as openpi and GR00T read it.

`meta/modality.json` is GR00T's: slices of state and action by name, and the cameras. Cameras stay pictures in
the data files unless films are asked for, which GR00T needs. Source: LeRobot's format v2.1.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rollouts.datasets.exports.transitions import facts
from rollouts.datasets.films import Film, film_rate, video_info
from rollouts.datasets.new_folder import new_folder
from rollouts.datasets.recount import EXACT, episode_counted, statistic_keys
from rollouts.datasets.stored import StoredSet

DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
_CHUNK = 1000


def write(stored: StoredSet, output: Path, advance: Callable[[str], object], video: bool = False) -> Path:
    """Write the set into a new folder; `video` makes films of the cameras. Returns the folder."""
    films = stored.cameras if video else stored.meta.videos
    keys = statistic_keys(stored, pictures=True)
    episodes, statistics = [], []
    with new_folder(output) as folder:
        (folder / "meta").mkdir()
        for place in stored.episodes:
            at = {"episode_index": place.index, "episode_chunk": place.index // _CHUNK}
            rows = stored.rows(place)
            for key in films:
                film = Film(folder / VIDEO.format(video_key=key, **at), film_rate(stored.meta.fps))
                film.add(stored.pictures(place, key, rows))
                film.close()
            path = folder / DATA.format(**at)
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = rows.drop_columns([key for key in films if key in rows.column_names])
            pq.write_table(kept.replace_schema_metadata(_metadata(stored, films)), path)
            tasks = place.facts.get("tasks") or [place.instruction]
            episodes.append({**facts(place), "tasks": tasks, "length": place.length})
            counted = episode_counted(stored, place, rows, keys)
            exact = {key: {name: of_key[name] for name in EXACT} for key, of_key in counted.items()}
            statistics.append({"episode_index": place.index, "stats": exact})
            advance("")
        tasks = [{"task_index": number, "task": task} for number, task in enumerate(stored.tasks)]
        for name, lines in (("episodes", episodes), ("episodes_stats", statistics), ("tasks", tasks)):
            (folder / f"meta/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        for name, value in (("info", _info(stored, films)), ("modality", modality(stored))):
            (folder / f"meta/{name}.json").write_text(json.dumps(value, indent=2) + "\n")
    return output


def modality(stored: StoredSet) -> dict[str, Any]:
    """Return GR00T's description: named slices, cameras, and where the instruction is."""
    state = "observation.state"
    return {
        "state": _slices(stored.meta.columns(state), state) if state in stored.numbers else {},
        "action": _slices(stored.meta.columns("action"), "action") if "action" in stored.numbers else {},
        "video": {key.rpartition(".")[2]: {"original_key": key} for key in stored.cameras},
        "annotation": {"human.task_description": {"original_key": "task_index"}},
    }


def _slices(names: Sequence[str], key: str) -> dict[str, Any]:
    """Neighbours that share what stands before the last dot, underscore or blank are one slice."""
    slices: dict[str, Any] = {}
    for number, name in enumerate(names):
        stem = max((name.rpartition(mark)[0] for mark in "._ "), key=len) or name
        last = next(reversed(slices), None)
        if stem == last:
            slices[stem]["end"] = number + 1
        else:
            stem = stem if stem not in slices else name
            slices[stem] = {"start": number, "end": number + 1, "original_key": key}
    return slices


def _info(stored: StoredSet, films: Sequence[str]) -> dict[str, Any]:
    info, count = stored.info, len(stored.episodes)
    features = {key: dict(about) for key, about in stored.meta.features.items()}
    for key in films:
        height, width = features[key]["shape"][:2]
        features[key] |= {"dtype": "video", "info": video_info(height, width, stored.meta.fps)}
    return {
        "codebase_version": "v2.1",
        "robot_type": info.get("robot_type"),
        "total_episodes": count,
        "total_frames": sum(place.length for place in stored.episodes),
        "total_tasks": len(stored.tasks),
        "total_videos": count * len(films),
        "total_chunks": -(-count // _CHUNK),
        "chunks_size": _CHUNK,
        "fps": info["fps"],
        "splits": {"train": f"0:{count}"},
        "data_path": DATA,
        "video_path": VIDEO if films else None,
        "features": features,
    }


def _metadata(stored: StoredSet, films: Sequence[str]) -> dict[str, str]:
    """The columns' types in the words of `datasets` before its version 4, which later ones know too."""
    types: dict[str, Any] = {}
    for key, about in stored.meta.features.items():
        if key in films:
            continue
        value: dict[str, Any] = {"dtype": about["dtype"], "_type": "Value"}
        if about["dtype"] == "image":
            value = {"_type": "Image"}
        elif list(about["shape"]) != [1]:
            for size in reversed(about["shape"]):
                value = {"feature": value, "length": size, "_type": "Sequence"}
        types[key] = value
    return {"huggingface": json.dumps({"info": {"features": types}})}
