"""A Minari dataset (HDF5), written by Minari's own storage, without the environment.

An observation is a dictionary of cameras and state. What the set says of an episode, its instruction and
whether it was solved, is metadata of the episode. Pictures are stored as they are, not as JPEG.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from rollouts.datasets.exports.transitions import Transitions, facts, transitions
from rollouts.datasets.extra import extra
from rollouts.datasets.new_folder import new_folder
from rollouts.datasets.stored import StoredSet


def write(stored: StoredSet, output: Path, advance: Callable[[str], object]) -> Path:
    """Write the dataset into a new folder, from which `minari.MinariDataset(folder / "data")` opens it."""
    extra("minari", "export", "export to minari")
    extra("h5py", "export", "export to minari")
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    first = transitions(stored, stored.episodes[0])
    with new_folder(output) as folder:
        (folder / "data").mkdir()
        options: dict[str, Any] = {
            "data_path": folder / "data",
            "observation_space": _observation_space(first),
            "action_space": _box(first.actions),
            "env_spec": None,
            "data_format": "hdf5",
        }
        if "jpeg_encoding" in inspect.signature(MinariStorage.new).parameters:
            options["jpeg_encoding"] = False
        storage = MinariStorage.new(**options)
        storage.update_episodes(_buffers(stored, EpisodeBuffer, advance))
        numbers = [place.index for place in stored.episodes]
        storage.update_episode_metadata([_told(place) for place in stored.episodes], numbers)
        storage.update_metadata({"dataset_id": _name(stored), "minari_version": _version(), **_about(stored)})
    return output


def _buffers(stored: StoredSet, buffer: Any, advance: Callable[[str], object]) -> Iterator[Any]:
    for number, place in enumerate(stored.episodes):
        episode = transitions(stored, place)
        yield buffer(
            id=number,
            seed=place.facts.get("seed"),
            observations=episode.observations,
            actions=episode.actions,
            rewards=episode.rewards.tolist(),
            terminations=episode.terminated.tolist(),
            truncations=episode.truncated.tolist(),
            infos=None,
        )
        advance("")


def _observation_space(episode: Transitions) -> spaces.Dict:
    return spaces.Dict({name: _box(seen) for name, seen in episode.observations.items()})


def _box(values: np.ndarray) -> spaces.Box:
    if values.dtype == np.uint8:
        return spaces.Box(0, 255, values.shape[1:], np.uint8)
    return spaces.Box(-np.inf, np.inf, values.shape[1:], values.dtype.type)


def _told(place: Any) -> dict[str, Any]:
    return {**facts(place), "instruction": place.instruction}


def _name(stored: StoredSet) -> str:
    allowed = "".join(letter if letter.isalnum() else "-" for letter in stored.root.resolve().name)
    return f"{allowed}-v0"


def _version() -> str:
    import minari

    return minari.__version__


def _about(stored: StoredSet) -> dict[str, Any]:
    described = (
        f"Exported from a LeRobot {stored.meta.version} dataset; the last state of an episode repeats."
    )
    return {
        "description": described,
        "algorithm_name": str(stored.episodes[0].facts.get("policy", "unknown")),
    }
