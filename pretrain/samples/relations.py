"""How two things in an image relate, told by their boxes.

Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix, relations.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label
from pretrain.samples.places import box_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import RelationsRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class RelationsOptions:
    """None so far."""


def build(
    record: RelationsRecord, rng: np.random.Generator, options: RelationsOptions, context: Context
) -> Sample:
    """Draw a relation and ask for its word; pairs of which several hold are asked by none."""
    held: dict[tuple[int, int], set[str]] = {}
    for subject, word, other in record.relations:
        held.setdefault((subject, other), set()).add(label(word))
    single = [(pair, words) for pair, words in held.items() if len(words) == 1 and "" not in words]
    if not single:
        raise UnusableRecord("no two things of it have one relation alone")
    (subject, other), (word,) = single[int(rng.integers(len(single)))]
    text = context.prompts.draw(
        "relation",
        rng,
        subject=box_text(record.boxes[subject], record.image, context),
        object=box_text(record.boxes[other], record.image, context),
    )
    return Sample(Request(text, image=record.image), Target(text=word))
