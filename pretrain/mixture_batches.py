"""The order of a mixture's examples: which of them make step s, which of those are this process's.

The examples of step s are numbers s * batch_size and following, whoever asks; process r of P has every P-th
of them, from the r-th on. Nothing is remembered, so a run goes on anywhere, with any number of processes.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch.utils.data import Dataset

from pretrain.packing import Lengths, Limits, Packer, Packing
from pretrain.packing.lengths import token_lengths
from pretrain.processes import ALONE, Processes
from pretrain.samples.sample import Sample
from pretrain.sources.schema import DatasetError
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor
from uio2_agent.labels.controls import ControlSpace
from uio2_agent.network.packing import Rows

Drawn = tuple[Sample, tuple[str, ...]]
"""A sample, and a line for each damaged record in whose place it came."""


class Samples(Protocol):
    """The stream of a mixture: example 0, 1, …, the same whoever asks, without an end."""

    identities: dict[str, Any]
    """Plain values that tell these examples and their order from others."""
    embodiments: Collection[str]
    """Bodies of our own that act in them."""
    controls: Mapping[str, ControlSpace]
    """Ranges of robots' actions, by source."""

    def __getitem__(self, number: int) -> Drawn: ...

    def held(self, each: int) -> list[Sample]:
        """Return samples that are never trained on, so many of each source."""
        ...


@dataclass(frozen=True)
class Portion:
    """Examples that go through the network together."""

    batch: Batch
    rows: Rows
    """How they are packed."""
    lengths: list[Lengths]
    """Tokens of each example in the encoder and in the decoder."""
    refused: int = 0
    """Examples left out because they are longer than a row."""
    skipped: tuple[str, ...] = ()
    """A line for each damaged record in whose place another came."""

    def to(self, device: torch.device | str) -> Self:
        """Return a copy with every tensor on the device."""
        return dataclasses.replace(self, batch=self.batch.to(device))


class MixtureBatches(Dataset[list[Portion]]):
    """The portions of step s: as many as gradients are accumulated over."""

    def __init__(
        self,
        samples: Samples,
        processor: Processor,
        packer: Packer,
        batch_size: int,
        portions: int = 1,
        processes: Processes = ALONE,
        patch_share: float = 1.0,
        seed: int = 0,
    ):
        """
        Arguments:
            batch_size: examples of a step over all processes.
            patch_share: most patches of a picture or sound that enter the model, as a share of its grid;
                which ones is a function of the seed and the example's number.
        """
        self._samples, self._processor, self._packer = samples, processor, packer
        self._batch_size, self._portions, self._processes = batch_size, portions, processes
        self._patch_share, self._seed = patch_share, seed

    def __getitem__(self, step: int) -> list[Portion]:
        """Return this process's share of step `step`."""
        first = step * self._batch_size
        numbers = range(first + self._processes.rank, first + self._batch_size, self._processes.count)
        drawn = [self._samples[number] for number in numbers]
        portions = []
        for part in range(self._portions):
            mine = drawn[part :: self._portions]
            skipped = tuple(line for _, lines in mine for line in lines)
            of_part = numbers[part :: self._portions]
            portions.append(self.portion([sample for sample, _ in mine], of_part, skipped))
        return portions

    def portion(
        self, samples: Sequence[Sample], numbers: Sequence[int], skipped: tuple[str, ...] = ()
    ) -> Portion:
        """Return samples of these numbers as they go through the network together; those longer than a row
        are left out.
        """
        batch = self._batch(samples, numbers)
        lengths = token_lengths(batch, self._processor.config)
        packing = self._packer.pack(lengths)
        if not packing.refused:
            return Portion(batch, packing.rows, lengths, skipped=skipped)
        fitting = [place for place in range(len(samples)) if place not in packing.refused]
        if not fitting:
            longest, limits = max(lengths), self._packer.limits
            raise DatasetError(
                f"all {len(samples)} examples of a portion are longer than a row of {limits.encoder} and "
                f"{limits.decoder} tokens (one has {longest[0]} and {longest[1]}): raise encoder_row= and "
                "decoder_row="
            )
        batch = self._batch([samples[place] for place in fitting], [numbers[place] for place in fitting])
        lengths = token_lengths(batch, self._processor.config)
        return Portion(batch, self._packer.pack(lengths).rows, lengths, len(packing.refused), skipped)

    def _batch(self, samples: Sequence[Sample], numbers: Sequence[int]) -> Batch:
        return self._processor(
            [sample.request for sample in samples],
            [sample.target for sample in samples],
            paradigms=[sample.paradigm for sample in samples],
            hidden=[sample.hidden for sample in samples],
            patch_share=self._patch_share,
            generator=[np.random.default_rng([self._seed, number]) for number in numbers],
        )


class OneEach:
    """Gives each example a row of its own: what packing is compared with."""

    def __init__(self, limits: Limits):
        self.limits = limits

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Return a row for each example that is no longer than one."""
        fits = [self.limits.fits(length) for length in lengths]
        return Packing(
            [[number] for number, fit in enumerate(fits) if fit],
            [number for number, fit in enumerate(fits) if not fit],
        )
