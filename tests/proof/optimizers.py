"""Which optimizer learns the mixture fastest at a very small size: Adafactor, AdamW, Muon.

Usage: python -m tests.proof.optimizers REPORT.md PICTURE.svg

The model and the data are those of `tests.proof.ablations`. Each optimizer runs at each of its rates with the
same weights to begin with and the same batches, made once; then each takes its best rate with another seed.
Runs that are done lie in build/proof/optimizers and are not made again.

Muon orthogonalises the momentum of a matrix (five steps of Newton and Schulz). It takes the matrices inside
layers, AdamW takes the rest; Muon's updates are scaled to the root mean square of AdamW's, so that one rate
fits both.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from policies import embodiments
from pretrain.curves import draw
from pretrain.guard import Guard
from pretrain.mixture_batches import MixtureBatches, Portion
from pretrain.mixture_objective import MixtureObjective
from pretrain.mixture_samples import open_samples
from pretrain.optim import build_named_optimizer
from pretrain.packing import BestFitPacker
from pretrain.pretrain_settings import PretrainConfig
from pretrain.pretraining import row_limits, start_network
from pretrain.schedule import Schedule
from pretrain.step import Step
from tests.proof.ablations import MODALITIES, start
from tests.proof.tables import ROOT, table, write
from uio2_agent.files import replace_file

PLACE = ROOT / "build" / "proof" / "optimizers"
STEPS, EVERY, SEEDS = 160, 20, (0, 1)
RATES = {
    "adafactor": (0.01, 0.03, 0.1),  # relative to the size of each weight
    "adamw": (0.005, 0.0125, 0.03),
    "muon": (0.005, 0.0125, 0.03),
}


class Timed:
    """An optimizer whose updates are timed, in seconds of this process's own CPU."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        self._optimizer, self.seconds = optimizer, 0.0
        self.param_groups, self.zero_grad = optimizer.param_groups, optimizer.zero_grad

    def step(self) -> None:
        began = time.process_time()
        self._optimizer.step()
        self.seconds += time.process_time() - began


class Runs:
    """The runs of one seed, on batches that are made when the first of them needs them."""

    def __init__(self, seed: int):
        self._config = PretrainConfig(
            model=str(start(seed, qk_norm=True)),
            mixture="generated",
            batch_size=8,
            held_back=0.01,
            seed=seed,
            threads=1,
            device="cpu",
        )
        self._portions: list[list[Portion]] = []
        self._held: Portion | None = None

    def _make_batches(self) -> None:
        config = self._config
        model, _ = start_network(config)
        styles = {name: embodiments.get(name).style(small=True) for name in embodiments.names()}
        samples = open_samples(config, model, styles, {})
        packer = BestFitPacker(row_limits(config, model.config))
        batches = MixtureBatches(
            samples,
            model.processor,
            packer,
            config.batch_size,
            patch_share=config.patch_share,
            seed=config.seed,
        )
        held = samples.held(4)
        self._held = batches.portion(held, range(len(held)))
        self._portions = [batches[step] for step in range(STEPS)]

    def points(self, optimizer: str, rate: float) -> list[dict[str, float]]:
        """The points of a run's curves: train, or read what was written."""
        file = PLACE / f"{optimizer}-{rate}-{self._config.seed}.json"
        if not file.exists():
            if not self._portions:
                self._make_batches()
            replace_file(file, json.dumps(self._trained(optimizer, rate)))
        return json.loads(file.read_text())

    def _trained(self, name: str, rate: float) -> list[dict[str, float]]:
        model, _ = start_network(self._config)
        model.train()
        for encoder in (model.image_encoder, model.audio_encoder) if model.config.freeze_vit else ():
            encoder.requires_grad_(False)
        objective = MixtureObjective(model, {})
        optimizer = Timed(build_named_optimizer(name, model, weight_decay=0.0))
        learning = [p for p in model.parameters() if p.requires_grad]
        rates = Schedule(peak=rate, steps=STEPS, warmup=20).rate
        take = Step(objective, learning, optimizer, rates, Guard(20, 10.0))
        points, began, validating = [], time.process_time(), 0.0
        for step, portions in enumerate(self._portions, 1):
            take(portions, step - 1)
            if step % EVERY == 0:
                paused = time.process_time()
                points.append({"step": step, **self._losses(objective)})
                validating += time.process_time() - paused
        spent = time.process_time() - began - validating
        points[-1] |= {"seconds": spent / STEPS, "update": optimizer.seconds / STEPS}
        print(name, rate, points[-1], flush=True)
        return points

    @torch.no_grad()
    def _losses(self, objective: MixtureObjective) -> dict[str, float]:
        _, losses = objective(self._held, 0, objective.counts(self._held))
        return {name: loss.item() for name, loss in losses.items()}


def total(point: dict[str, float]) -> float:
    """The sum of the losses on held-back examples."""
    return sum(point[name] for name in MODALITIES)


def main(report: str, picture: str) -> int:
    PLACE.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    first, second = (Runs(seed) for seed in SEEDS)
    found = {(name, rate): first.points(name, rate) for name, rates in RATES.items() for rate in rates}
    best = {name: min(rates, key=lambda rate: total(found[name, rate][-1])) for name, rates in RATES.items()}
    again = {name: second.points(name, rate) for name, rate in best.items()}
    replace_file(Path(picture), draw(_curves(found, best), from_zero=False))
    rows = [_row(name, rate, SEEDS[0], points) for (name, rate), points in found.items()]
    rows += [_row(name, best[name], SEEDS[1], points) for name, points in again.items()]
    head = ["optimizer", "rate", "seed", *MODALITIES, "sum", "CPU s a step", "of which the update"]
    write(
        report,
        "Optimizers, compared at a very small size",
        f"python -m tests.proof.optimizers {report} {picture}",
        f"Losses on held-back examples after {STEPS} steps of 8 examples of the generated mixture (rate: 20 "
        "steps of warm-up, level, falling to zero over the last 30 %). Runs of a seed begin with the same "
        "weights and see the same batches; the preparation of batches is not in the seconds.",
        table(head, rows),
    )
    return 0


def _row(name: str, rate: float, seed: int, points: Sequence[dict[str, float]]) -> list[Any]:
    last = points[-1]
    losses = [f"{last[modality]:.3f}" for modality in MODALITIES]
    return [
        name,
        rate,
        seed,
        *losses,
        f"{total(last):.3f}",
        f"{last['seconds']:.3f}",
        f"{last['update']:.3f}",
    ]


def _curves(
    found: dict[tuple[str, float], list[dict[str, float]]], best: dict[str, float]
) -> list[dict[str, float]]:
    """The curves of each optimizer at its best rate, and the sums of all runs."""
    curves = []
    for place in range(STEPS // EVERY):
        curves.append({"step": EVERY * (place + 1)})
        for (name, rate), points in found.items():
            if rate == best[name]:
                curves[-1] |= {
                    f"{modality}, held back/{name}": points[place][modality] for modality in MODALITIES
                }
    return curves


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
