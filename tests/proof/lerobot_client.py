"""Opens a dataset with the real `lerobot` and tells what it read, as JSON. Runs in an environment of its own.

Knows nothing of this project: it is what a user of the published format would do.
Usage: python lerobot_client.py DATASET
"""

import hashlib
import json
import sys
import warnings

import numpy as np
import torch

# PyPI's torchvision is built for CUDA: beside a CPU torch its library does not load, and its import then
# fails because two operators are undeclared. Nothing here calls them.
warnings.filterwarnings("ignore")
_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def main(root: str) -> dict:
    """Return counts, one row per frame, facts of each episode, shapes of a shuffled batch with a window."""
    import lerobot
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("local/set", root=root)
    frames = []
    for item in (dataset[i] for i in range(len(dataset))):
        pixels = (item["observation.images.top"].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        frames.append(
            {
                "episode": int(item["episode_index"]),
                "frame": int(item["frame_index"]),
                "task": item["task"],
                "text": item["action.text"],
                "boxes": item["scene.boxes"],
                "action": item["action"].tolist(),
                "top": hashlib.sha256(pixels.tobytes()).hexdigest(),
            }
        )
    told = ("seed", "success", "env_id", "named_prompt")
    window = {"action": [0.0, 1.0], "observation.images.top": [-1.0, 0.0]}
    windowed = LeRobotDataset("local/set", root=root, delta_timestamps=window)
    batch = next(iter(torch.utils.data.DataLoader(windowed, batch_size=4, shuffle=True)))
    return {
        "lerobot": lerobot.__version__,
        "episodes": dataset.num_episodes,
        "fps": dataset.fps,
        "frames": frames,
        "facts": [{key: row[key] for key in told} for row in dataset.meta.episodes],
        "statistics": {key: sorted(value) for key, value in dataset.meta.stats.items()},
        "batch": {key: list(value.shape) for key, value in batch.items() if hasattr(value, "shape")},
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(sys.argv[1])))
