"""The order of a mixture's examples: which of them make step s, which of those are this process's.

The examples of step s are numbers s * batch_size and following, whoever asks; process r of P has every P-th
of them, from the r-th on. Nothing is remembered, so a run goes on anywhere, with any number of processes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch.utils.data import Dataset

from pretrain.processes import Processes
from pretrain.samples.sample import Sample
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor

Rows = list[list[int]]
"""Which examples of a batch share which row."""


class Samples(Protocol):
    """The stream of a mixture: example 0, 1, …, the same whoever asks, without an end."""

    identities: dict[str, str]
    """Digest of the content of each source by name."""

    def __getitem__(self, number: int) -> Sample: ...


@dataclass(frozen=True)
class Portion:
    """Examples that go through the network together."""

    batch: Batch
    rows: Rows | None
    """How they are packed; None where each has a row of its own."""
    lengths: list[tuple[int, int]]
    """Tokens of each example in the encoder and in the decoder."""

    def to(self, device: torch.device | str) -> Self:
        """Return a copy with every tensor on the device."""
        return type(self)(self.batch.to(device), self.rows, self.lengths)


class MixtureBatches(Dataset[list[Portion]]):
    """The portions of step s: as many as gradients are accumulated over."""

    def __init__(
        self,
        samples: Samples,
        processor: Processor,
        batch_size: int,
        portions: int,
        processes: Processes,
        pack: Callable[[Sequence[tuple[int, int]]], Rows] | None,
    ):
        """`batch_size`: examples of a step over all processes; `pack`: lengths of examples to rows, None to
        leave each example alone.
        """
        self._samples, self._processor = samples, processor
        self._batch_size, self._portions, self._processes = batch_size, portions, processes
        self._pack = pack

    def __getitem__(self, step: int) -> list[Portion]:
        """Return this process's share of step `step`."""
        first = step * self._batch_size
        numbers = range(first + self._processes.rank, first + self._batch_size, self._processes.count)
        samples = [self._samples[number] for number in numbers]
        return [self._portion(samples[part :: self._portions]) for part in range(self._portions)]

    def _portion(self, samples: Sequence[Sample]) -> Portion:
        batch = self._processor(
            [sample.request for sample in samples],
            [sample.target for sample in samples],
            paradigms=[sample.paradigm for sample in samples],
            hidden=[sample.hidden for sample in samples],
        )
        lengths = lengths_of(batch, self._processor.config)
        return Portion(batch, None if self._pack is None else self._pack(lengths), lengths)


def lengths_of(batch: Batch, config: UnifiedIO2Config) -> list[tuple[int, int]]:
    """Return how many tokens each example of a batch has in the encoder and in the decoder."""
    inputs, targets = batch.text.mask.sum(1), torch.zeros(batch.rows, dtype=torch.int64)
    for name in ("image", "audio"):
        if (patches := getattr(batch, name)) is not None:
            inputs = inputs + patches.mask.sum(1)
        if (history := getattr(batch, f"{name}_history")) is not None:
            frames = history.mask.any(-1).sum(1)
            inputs = inputs + frames * getattr(config, f"{name}_history").latents
    for target in (batch.text_target, batch.image_target, batch.audio_target):
        if target is not None:
            targets = targets + target.mask.sum(1)
    return list(zip(inputs.tolist(), targets.tolist(), strict=True))
