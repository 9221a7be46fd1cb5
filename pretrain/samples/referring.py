"""One region and the words that mean it alone: its box or mask from the words, the words from the box.

Names that stand for several regions of an image mean none of them and are not asked. Source: Unified-IO 2
(arXiv 2312.17172), section 5 and appendix, referring expressions and region captions; weights are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label, pick
from pretrain.samples.places import box_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import RegionsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.labels.pictures import mask_picture
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class ReferringOptions:
    """Weights of what is asked; of what a region has labels for, one is drawn."""

    box: Rate = 1.0
    caption: Rate = 1.0
    mask: Rate = 1.0

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: RegionsRecord, rng: np.random.Generator, options: ReferringOptions, context: Context
) -> Sample:
    """Draw a region that is meant by words of its own, and ask for one by the other."""
    phrases = [label(name) for name in record.names]
    own = [index for index, phrase in enumerate(phrases) if phrase and phrases.count(phrase) == 1]
    if not own:
        raise UnusableRecord("no words mean one region alone")
    index = own[int(rng.integers(len(own)))]
    masked = record.masks is not None and record.masks[index].any()
    drawn = "image" in context.config.target_modalities and masked
    asked = pick({"box": options.box, "caption": options.caption, "mask": options.mask * drawn}, rng)
    box = box_text(record.boxes[index], record.image, context)
    if asked == "caption":
        text, target = context.prompts.draw("region_caption", rng, box=box), Target(text=phrases[index])
    elif asked == "mask":
        text = context.prompts.draw("mask_of_phrase", rng, phrase=phrases[index])
        target = Target(image=mask_picture(record.masks[index]))
    else:
        text, target = context.prompts.draw("refer", rng, phrase=phrases[index]), Target(text=box)
    return Sample(Request(text, image=record.image), target)
