"""The class of an image, one of a list that is told.

Long lists are cut to some of their classes, the right one among them. Source: Unified-IO 2 (arXiv
2312.17172), section 5, image tagging; how many are told is ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label
from pretrain.samples.sample import Sample
from pretrain.sources.records import TagsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class ImageTagsOptions:
    """How many classes are told."""

    most: Annotated[int, Range(2, 1000)] = 20

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: TagsRecord, rng: np.random.Generator, options: ImageTagsOptions, context: Context
) -> Sample:
    """Tell classes in any order and ask which it is."""
    tag = label(record.tag)
    others = sorted({label(each) for each in record.classes} - {tag, ""})
    if not tag or not others:
        raise UnusableRecord("a class and at least one other are needed")
    told = [tag, *rng.permutation(others)[: options.most - 1].tolist()]
    classes = ", ".join(told[index] for index in rng.permutation(len(told)))
    text = context.prompts.draw("tags", rng, classes=classes)
    return Sample(Request(text, image=record.image), Target(text=tag))
