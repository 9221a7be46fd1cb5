"""Ways to draw a picture, compared: calls, seconds, and what was drawn. Used by `benchmarks.model`."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.painter import colours_of, losses, picture
from uio2_agent import Request, UnifiedIO2

WAYS = {
    "one at a time": {},
    "parallel (exact)": {"parallel": True},
    "locality=7 (not exact)": {"locality": 7},
    "locality=4 (not exact)": {"locality": 4},
}
"""Options of `generate`."""
DRAWN = {
    "drawn, one at a time": {"temperature": 1.0, "seed": 0},
    "drawn, parallel (exact)": {"temperature": 1.0, "seed": 0, "parallel": True},
}
"""The same with chance."""
LEADS = (16, 7, 4, 2)
"""Localities whose pictures are judged."""
UNSEEN = 1_000_000
"""Number of the first picture that the painter was not taught."""
TOGETHER = 16
"""Pictures drawn in a batch where time is not measured."""


@dataclass(frozen=True)
class Drawn:
    """Pictures int64 [N, tokens], the calls of the decoder, and seconds by the clock and of the processor."""

    tokens: np.ndarray
    calls: int
    seconds: float
    cpu_seconds: float


def draw(model: UnifiedIO2, requests: list[Request], **options: object) -> Drawn:
    """Draw a batch of pictures."""
    calls: list[int] = []

    def progress(done: int, _: int) -> None:
        if done:  # the first word comes before the first call
            calls.append(done)

    begin, cpu = time.perf_counter(), time.process_time()
    answers = model.generate(requests, "image", progress=progress, **options)
    took = time.perf_counter() - begin, time.process_time() - cpu
    return Drawn(np.stack([answer.tokens for answer in answers]), len(calls), *took)


def measure_painter(folder: Path, pictures: int, console: Console) -> None:
    """Draw with a model that learned pictures (`benchmarks.painter`), temperature 1."""
    model = UnifiedIO2.from_pretrained(folder).eval()
    captions = [picture(UNSEEN + number)[0] for number in range(pictures)]
    _show_speed(model, captions[:8], console)
    _show_quality(model, captions, console)


def _show_speed(model: UnifiedIO2, captions: list[str], console: Console) -> None:
    table = Table(
        *("way", "calls", "most", "s", "CPU s", "×", "same tokens"),
        title=f"a picture of the painter, batch 1, mean of {len(captions)}",
    )
    runs = {
        name: [
            draw(model, [Request(text)], temperature=1.0, seed=n, **way) for n, text in enumerate(captions)
        ]
        for name, way in WAYS.items()
    }
    plain = runs["one at a time"]
    for name, run in runs.items():
        calls, took, cpu = np.mean([(one.calls, one.seconds, one.cpu_seconds) for one in run], 0)
        ratio = np.mean([one.seconds for one in plain]) / took
        same = np.mean([a.tokens == b.tokens for a, b in zip(run, plain, strict=True)])
        most = max(one.calls for one in run)
        table.add_row(
            name, f"{calls:.0f}", str(most), f"{took:.2f}", f"{cpu:.2f}", f"{ratio:.1f}", f"{same:.0%}"
        )
    console.print(table)


def _show_quality(model: UnifiedIO2, captions: list[str], console: Console) -> None:
    pictures = len(captions)
    drawn = {
        "one at a time": _many(model, captions, 0),
        "one at a time, other seeds": _many(model, captions, UNSEEN),
        **{f"locality={lead}": _many(model, captions, 0, locality=lead) for lead in LEADS},
        "true pictures": np.stack([picture(UNSEEN + number)[1] for number in range(pictures)]),
    }
    loss = {name: _losses(model, captions, tokens) for name, tokens in drawn.items()}
    table = Table(
        *("way", "loss", "difference", "distance", "by chance"),
        title=f"what is drawn, {pictures} pictures each",
    )
    first = _features(drawn["one at a time"])
    for name, tokens in drawn.items():
        apart = loss[name] - loss["one at a time"]
        error = apart.std() / np.sqrt(pictures)
        distance, chance = _distance(first, _features(tokens))
        difference = f"{apart.mean():+.3f} ± {error:.3f}"
        table.add_row(name, f"{loss[name].mean():.3f}", difference, f"{distance:.4f}", f"{chance:.2f}")
    console.print(table)
    console.print(
        "loss: nats a token under the model itself; difference: mean of pairs and its standard error; "
        "distance: energy distance to the first row, of colours in 4 x 4 fields and of roughness; by chance: "
        "share of 1,000 shuffles of both sets that lie further apart"
    )


def _many(model: UnifiedIO2, captions: list[str], seed: int, **way: object) -> np.ndarray:
    parts = []
    for first in range(0, len(captions), TOGETHER):
        requests = [Request(caption) for caption in captions[first : first + TOGETHER]]
        parts.append(draw(model, requests, temperature=1.0, seed=seed + first, **way).tokens)
    return np.concatenate(parts)


def _losses(model: UnifiedIO2, captions: list[str], tokens: np.ndarray) -> np.ndarray:
    parts = [
        losses(model, captions[first : first + TOGETHER], torch.from_numpy(tokens[first : first + TOGETHER]))
        for first in range(0, len(captions), TOGETHER)
    ]
    return torch.cat(parts).numpy()


def _features(tokens: np.ndarray) -> np.ndarray:
    """Return [N, 54] of pictures [N, 1024]: mean colours of 4 x 4 fields, mean steps down and across."""
    images = np.stack([colours_of(line) for line in tokens]) / 255
    fields = images.reshape(len(images), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(images), -1)
    steps = [np.abs(np.diff(images, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.concatenate([fields, *steps], 1)


def _distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the energy distance of two sets [N, D], and how often shuffled sets are further apart."""
    both = np.concatenate([first, second])
    between = np.linalg.norm(both[:, None] - both, axis=-1)
    sign = np.repeat([1.0, -1.0], [len(first), len(second)])

    def energy(sign: np.ndarray) -> float:
        return float(-(sign @ between @ sign) / len(first) ** 2)

    random = np.random.default_rng(0)
    found = energy(sign)
    return found, float(np.mean([energy(random.permutation(sign)) > found for _ in range(1000)]))
