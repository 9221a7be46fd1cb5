"""One region of an image, told by points or its box: draw its mask, white on black.

Source: Unified-IO 2 (arXiv 2312.17172), section 3.3, on Segment Anything; one region a sample is ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import box_text, points_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import RegionsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.labels.pictures import mask_picture
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How a region is told."""

    box_share: Annotated[float, Range(0, 1)] = 0.5
    """Share told by the box; the others are told by points."""
    most_points: Annotated[int, Range(1, 16)] = 3
    """Most points of a region; how many is drawn."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(record: RegionsRecord, rng: np.random.Generator, options: MaskOptions, context: Context) -> Sample:
    """Draw a region that has a mask, and ask for it."""
    found = [] if record.masks is None else [i for i, mask in enumerate(record.masks) if mask.any()]
    if not found:
        raise UnusableRecord("the record has no region with a mask")
    region = found[int(rng.integers(len(found)))]
    mask, image = record.masks[region], record.image
    if rng.random() < options.box_share:
        text = context.prompts.draw("mask_of_box", rng, box=box_text(record.boxes[region], image, context))
    else:
        rows, columns = np.nonzero(mask)
        count = int(rng.integers(1, options.most_points + 1))
        chosen = rng.permutation(len(rows))[:count]
        points = np.stack([columns[chosen], rows[chosen]], axis=1) + 0.5  # the middle of a pixel
        text = context.prompts.draw("mask_of_points", rng, points=points_text(points, image, context))
    return Sample(Request(text, image=image), Target(image=mask_picture(mask)))
