"""Opens a dataset with a real reader and tells what it read, as JSON. Runs in an environment of its own.

Knows nothing of this project. Usage: python dataset_reader.py lerobot|minari|robomimic DATASET
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")


def lerobot(root):
    """Frame by frame, through the class that its training uses."""
    import torch

    # PyPI's torchvision beside a CPU torch lacks two operators; nothing here calls them.
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import lerobot as package
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/set", root=root, video_backend="pyav")
    items = [dataset[number] for number in range(len(dataset))]
    pictures = [
        (item["observation.images.top"].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        for item in items
    ]
    version = getattr(package, "__version__", "")
    return f"lerobot {version}", dataset.num_episodes, [item["action"].numpy() for item in items], pictures


def minari(root):
    """Episode by episode, as an iterator of its dataset hands them out."""
    import minari as package

    dataset = package.MinariDataset(Path(root) / "data")
    episodes = list(dataset.iterate_episodes())
    pictures = [
        episode.observations["images.top" if "images.top" in episode.observations else "top"][:-1]
        for episode in episodes
    ]
    return f"minari {package.__version__}", len(episodes), [episode.actions for episode in episodes], pictures


def robomimic(root):
    """Step by step, through the dataset that its training uses."""
    import robomimic as package
    import robomimic.utils.obs_utils as observations
    from robomimic.utils.dataset import SequenceDataset

    observations.initialize_obs_utils_with_obs_specs({"obs": {"rgb": ["top_image"], "low_dim": ["state"]}})
    dataset = SequenceDataset(
        str(Path(root) / "demo.hdf5"),
        obs_keys=("top_image", "state"),
        dataset_keys=("actions", "rewards", "dones"),
        load_next_obs=True,
        hdf5_cache_mode=None,
    )
    items = [dataset[number] for number in range(len(dataset))]
    pictures = [np.asarray(item["obs"]["top_image"][0], np.uint8) for item in items]
    actions = [np.asarray(item["actions"][0], np.float32) for item in items]
    return f"robomimic {package.__version__}", dataset.n_demos, actions, pictures


def digest(arrays):
    """SHA-256 of all bytes in order."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


if __name__ == "__main__":
    name, count, actions, pictures = {"lerobot": lerobot, "minari": minari, "robomimic": robomimic}[
        sys.argv[1]
    ](sys.argv[2])
    told = {"reader": name, "episodes": count, "actions": digest(actions), "pictures": digest(pictures)}
    print("RESULT " + json.dumps(told))
