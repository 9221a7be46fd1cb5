"""Text that is written in a picture: the boxes with what stands in them, or all of it in the order of the
record.

What nobody could read is left out, with its box. Source: Unified-IO 2 (arXiv 2312.17172), section 5, text
detection; weights are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, joined, label, pick
from pretrain.samples.places import boxes_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import SceneTextRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class SceneTextOptions:
    """Weights of what is asked."""

    boxes: Rate = 1.0
    """Each text behind its box, in any order."""
    read: Rate = 1.0
    """The texts alone."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: SceneTextRecord, rng: np.random.Generator, options: SceneTextOptions, context: Context
) -> Sample:
    """Ask for the boxes with their text, or for the text."""
    texts = [label(text).strip(" ,") for text in record.texts]
    legible = [index for index, text in enumerate(texts) if text]
    if not legible:
        raise UnusableRecord("nothing that can be read is written in the picture")
    if pick({"boxes": options.boxes, "read": options.read}, rng) == "read":
        text = context.prompts.draw("text_of_image", rng)
        answer = joined(*(texts[index] for index in legible))
    else:
        text, order = context.prompts.draw("text_boxes", rng), rng.permutation(legible)
        words = [texts[index] for index in order]
        answer = boxes_text(record.boxes[order], record.image, context, words)
    return Sample(Request(text, image=record.image), Target(text=answer))
