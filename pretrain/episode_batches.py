"""Batches of a run on episodes, each made from the configuration and its number alone (its own random
generator), so that a run that is stopped and resumed sees exactly the batches it would have seen.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from pretrain.examples import ExampleOptions, Styles, make_example, pictures_before
from pretrain.patch_labels import Labeller, Labels
from pretrain.settings import QUESTIONS
from pretrain.sources import EpisodeFolders
from pretrain.sources.checks import json_objects
from pretrain.thinning import thinned
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor

_SORTED_BATCHES = 8


class TrainingBatches(Dataset[tuple[Batch, Labels]]):
    """Batch s of a run, made from (seed, s) alone."""

    def __init__(
        self,
        source: EpisodeFolders,
        episodes: Sequence[int],
        processor: Processor,
        styles: Styles,
        options: ExampleOptions,
        batch_size: int,
        names: Sequence[str],
        textures: Sequence[str],
    ):
        self._source, self._episodes = source, np.asarray(episodes)
        self._processor, self._styles, self._options = processor, styles, options
        self._batch_size = batch_size
        self._labeller = Labeller(processor, names, textures)
        facts = source.facts
        self._filled = np.array([filled_area(facts[index], styles) for index in self._episodes])

    def __getitem__(self, step: int) -> tuple[Batch, Labels]:
        """Return batch `step`."""
        rng = np.random.default_rng([self._options.seed, step])
        chosen = [self._source[int(self._episodes[i])] for i in self._order(step)]
        kind = self._kind(rng.random())
        examples = [make_example(record, kind, self._styles, self._options, rng) for record in chosen]
        batch, labels = self._labeller(examples)
        shares = self._options.plain_share, self._options.still_share
        if batch.image_target is not None and min(shares) < 1:
            before = pictures_before(examples, self._processor.config)
            target = thinned(batch.image_target, before, *shares, rng)
            batch = dataclasses.replace(batch, image_target=target)
        return batch, labels

    def _kind(self, drawn: float) -> str:
        """The kind of question that a number from 0 to 1 draws."""
        for kind in QUESTIONS:
            drawn -= getattr(self._options, f"{kind}_share")
            if drawn < 0:
                return kind
        return "plan"

    def _order(self, step: int) -> np.ndarray:
        """Places of the batch's episodes: passes over all of them, each in an order of its own.

        Within a few neighbouring batches the episodes are sorted by how much of the picture their objects
        fill, so that a batch's pictures have about as many patches and little is padded.
        """
        count, size = len(self._episodes), self._batch_size
        group, rank = divmod(step, _SORTED_BATCHES)
        places = np.arange(group * _SORTED_BATCHES * size, (group + 1) * _SORTED_BATCHES * size)
        chosen = np.empty(len(places), np.int64)
        for epoch in np.unique(places // count):
            inside = places // count == epoch
            order = np.random.default_rng([self._options.seed, int(epoch), 1]).permutation(count)
            chosen[inside] = order[places[inside] % count]
        chosen = chosen[np.argsort(self._filled[chosen], kind="stable")].reshape(_SORTED_BATCHES, size)
        turn = np.random.default_rng([self._options.seed, group, 2]).permutation(_SORTED_BATCHES)
        return chosen[turn[rank]]


def filled_area(fact: Mapping[str, Any], styles: Styles) -> int:
    """Pixels of a request's last view inside the boxes of an episode's objects (as they lie at its end)."""
    view = styles[fact["embodiment"]].views[-1]
    where = f"final_objects of {fact['task_name']}, seed {fact['seed']}"
    boxes = [thing["boxes"].get(view) for thing in json_objects(fact["final_objects"], where)]
    return sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes if box)
