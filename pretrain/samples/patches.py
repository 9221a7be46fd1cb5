"""Coloured shapes that were pasted onto an image: list their boxes, in any order, or count them.

Source: Unified-IO 2 (arXiv 2312.17172), section 3.3; halves and digits are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import boxes_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import RegionsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """What is asked."""

    count_share: Annotated[float, Range(0, 1)] = 0.5
    """Share of samples that ask for the number; the others ask for the boxes."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(record: RegionsRecord, rng: np.random.Generator, options: PatchOptions, context: Context) -> Sample:
    """Ask for the boxes and names of the shapes, or for their number in digits."""
    if not len(record.names):
        raise UnusableRecord("the record names no shapes")
    if rng.random() < options.count_share:
        text, answer = context.prompts.draw("shapes_count", rng), str(len(record.names))
    else:
        order = rng.permutation(len(record.names))
        names = [record.names[int(index)] for index in order]
        text = context.prompts.draw("shapes", rng)
        answer = boxes_text(record.boxes[order], record.image, context, names)
    return Sample(Request(text, image=record.image), Target(text=answer))
