"""What an eye can tell of how things stand: `python -m benchmarks.eye MODEL DATA [--episodes N]`.

Of each thing in the first views of episodes: the mean of the image encoder's features over its patches, and
from it, by ridge regression on three quarters of the things of a name, its yaw. The error on the others is
that of guessing, 90 degrees, where the features say nothing of it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from policies import embodiments
from pretrain.examples import cameras_of, plan_example
from pretrain.initialization import start_model
from pretrain.moments import moment
from pretrain.patch_labels import NOTHING, Labeller
from pretrain.sources import LeRobotSource

_BATCH, _LEAST, _RIDGE = 32, 60, 30.0
"""Episodes at once; fewest things of a name; weight of the penalty."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--episodes", type=int, default=1000)
    options = parser.parse_args()
    names, features, facing = _things(options.model, LeRobotSource(options.data), options.episodes)
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    features = np.concatenate([features, np.ones((len(features), 1))], 1)
    table = Table(title=f"yaw of things by the eye of {options.model}")
    for head in ("thing", "seen", "median error, degrees"):
        table.add_column(head, justify="right" if head != "thing" else "left")
    for name in sorted(set(names)):
        (chosen,) = np.nonzero(names == name)
        if len(chosen) >= _LEAST:
            table.add_row(name, str(len(chosen)), f"{_error(features[chosen], facing[chosen]):.0f}")
    Console(width=100).print(table)


def _things(spec: str, source: LeRobotSource, episodes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names [things], features [things, width], and cosine and sine of the yaw [things, 2]."""
    model, styles = start_model(spec, trained=True)
    model.eval()
    known = sorted({thing["name"] for record in source for thing in record.objects[0]})
    labeller = Labeller(model.processor, known, [])
    names, features, facing = [], [], []
    chosen = np.random.default_rng(0).permutation(len(source))[:episodes]
    for start in range(0, len(chosen), _BATCH):
        examples = []
        for record in (source[int(index)] for index in chosen[start : start + _BATCH]):
            body = embodiments.get(record.embodiment)
            style = styles[body.name].fitted(body.cameras)
            examples.append(plan_example(moment(record, 0, cameras_of(style)), body, style))
        batch, labels = labeller(examples)
        image = batch.image
        with torch.no_grad():
            seen = model.image_encoder(image.values, image.mask, image.positions, model.config.image_grid)[0]
        told = torch.cat([labels.name[..., None], labels.centre, labels.posture[..., :2]], -1).numpy()
        for row in range(len(examples)):
            patches = (image.mask[row] & (labels.posture[row, :, 0] != NOTHING)).numpy()
            things, which = np.unique(told[row][patches], axis=0, return_inverse=True)
            for number, thing in enumerate(things):
                names.append(known[thing[0]])
                features.append(seen[row].numpy()[patches][which.reshape(-1) == number].mean(0))
                facing.append(thing[3:] / 999 * 2 - 1)
    return np.array(names), np.array(features), np.array(facing)


def _error(features: np.ndarray, facing: np.ndarray) -> float:
    """Median error of the yaw of the last quarter, by what the others teach, in degrees."""
    learned = len(features) * 3 // 4
    known, wanted = features[:learned], facing[:learned]
    weights = np.linalg.solve(known.T @ known + _RIDGE * np.eye(known.shape[1]), known.T @ wanted)
    found, real = (
        np.arctan2(pair[:, 1], pair[:, 0]) for pair in (features[learned:] @ weights, facing[learned:])
    )
    return float(np.degrees(np.median(np.abs(np.angle(np.exp(1j * (found - real)))))))


if __name__ == "__main__":
    main()
