"""The joints of one person in an image, told by a box.

Source: Unified-IO 2 (arXiv 2312.17172), appendix on keypoints: each of 17 parts as `y x name`, or `name
MISSING`.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import box_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import PeopleRecord
from uio2_agent.labels.keypoints import write_keypoints
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class PeopleOptions:
    """Nothing is drawn but who is asked for."""


def build(record: PeopleRecord, rng: np.random.Generator, options: PeopleOptions, context: Context) -> Sample:
    """Draw a person with a joint in sight and ask for the joints."""
    seen = np.flatnonzero((record.joints[..., 2] > 0).any(axis=1)) if len(record.joints) else []
    if not len(seen):
        raise UnusableRecord("nobody in this image has a joint in sight")
    person = int(rng.choice(seen))
    box = box_text(record.boxes[person], record.image, context)
    answer = write_keypoints(record.joints[person], context.placement(record.image))
    text = context.prompts.draw("keypoints", rng, box=box)
    return Sample(Request(text, image=record.image), Target(text=answer))
