"""Depth and normals of an image as pictures, and the image from its depth.

Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix on dense labelling: depth is grey, divided by
the data set's largest; normals x y z are red, green, blue.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, clean, pick
from pretrain.samples.sample import Sample
from pretrain.sources.records import DenseRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.labels.pictures import depth_picture, normals_picture
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class DenseOptions:
    """Weights of the families; of those that a record has labels for, one is drawn."""

    depth: Rate = 1.0
    normals: Rate = 1.0
    image_from_depth: Rate = 1.0
    """Of records with a caption too."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(record: DenseRecord, rng: np.random.Generator, options: DenseOptions, context: Context) -> Sample:
    """Draw a family and ask for a picture."""
    deep, caption = record.depth is not None, clean(record.caption)
    family = pick(
        {
            "depth": options.depth * deep,
            "normals": options.normals * (record.normals is not None),
            "image_from_depth": options.image_from_depth * (deep and bool(caption)),
        },
        rng,
    )
    if family == "normals":
        text = context.prompts.draw("normals", rng)
        return Sample(Request(text, image=record.image), Target(image=normals_picture(record.normals)))
    depth = depth_picture(record.depth, record.farthest)
    if family == "depth":
        return Sample(Request(context.prompts.draw("depth", rng), image=record.image), Target(image=depth))
    text = context.prompts.draw("image_from_depth", rng, caption=caption)
    return Sample(Request(text, image=depth), Target(image=record.image))
