"""robomimic's HDF5: a file with a group for each demonstration.

    data/demo_0  actions, rewards, dones, states, obs/<name>, next_obs/<name>
    mask/train   names of the demonstrations that solved the task, or of all where the set does not say

Source: robomimic's page on its dataset structure.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rollouts.datasets.exports.transitions import facts, transitions
from rollouts.datasets.extra import extra
from rollouts.datasets.new_folder import new_folder
from rollouts.datasets.stored import StoredSet

FILE = "demo.hdf5"
_GYM = 2
"""robomimic's number for environments of gym."""


def write(stored: StoredSet, output: Path, advance: Callable[[str], object]) -> Path:
    """Write the file into a new folder; returns its path."""
    h5py = extra("h5py", "export", "export to robomimic")
    with new_folder(output) as folder, h5py.File(folder / FILE, "w") as file:
        data = file.create_group("data")
        total, solved, names = 0, [], []
        for place in stored.episodes:
            name = f"demo_{place.index}"
            names.append(name)
            if _write_demo(data.create_group(name), stored, place):
                solved.append(name)
            total += place.length
            advance("")
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(_environment(stored))
        file.create_dataset("mask/train", data=np.array(solved or names, "S"))
    return output / FILE


def _write_demo(group: Any, stored: StoredSet, place: Any) -> bool:
    episode = transitions(stored, place)
    group.attrs["num_samples"] = place.length
    group.attrs["instruction"] = episode.instruction
    for key, value in facts(place).items():
        group.attrs[key] = value
    group.create_dataset("actions", data=episode.actions)
    group.create_dataset("rewards", data=episode.rewards)
    group.create_dataset("dones", data=(episode.terminated | episode.truncated).astype(np.int64))
    group.create_dataset(
        "states", data=episode.observations.get("state", np.zeros((place.length + 1, 0)))[:-1]
    )
    for name, seen in episode.observations.items():
        name = f"{name}_image" if seen.ndim == 4 else name  # by this ending robomimic knows a camera
        packed = {"compression": "gzip", "compression_opts": 4} if seen.ndim == 4 else {}
        group.create_dataset(f"obs/{name}", data=seen[:-1], **packed)
        group.create_dataset(f"next_obs/{name}", data=seen[1:], **packed)
    return bool(episode.success)


def _environment(stored: StoredSet) -> dict[str, Any]:
    told = stored.episodes[0].facts
    kwargs = json.loads(told["env_kwargs"]) if "env_kwargs" in told else {}
    name = told.get("env_id") or str(stored.info.get("robot_type"))
    return {"env_name": name, "type": _GYM, "env_kwargs": kwargs}
