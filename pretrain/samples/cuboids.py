"""The 3-D box of what lies in a 2-D box, as twelve location tokens (`uio2_agent.labels.cuboids`).

Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix, 3-D detection.
"""

from dataclasses import dataclass, fields

import numpy as np

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import box_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import CuboidsRecord
from uio2_agent.labels.cuboids import Cuboids, write_cuboids
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class CuboidsOptions:
    """None so far."""


def build(
    record: CuboidsRecord, rng: np.random.Generator, options: CuboidsOptions, context: Context
) -> Sample:
    """Draw a thing and ask for its 3-D box."""
    if not len(record.boxes):
        raise UnusableRecord("nothing in it has a 3-D box")
    index = int(rng.integers(len(record.boxes)))
    text = context.prompts.draw("cuboid", rng, box=box_text(record.boxes[index], record.image, context))
    one = Cuboids(*(getattr(record.cuboids, field.name)[index : index + 1] for field in fields(Cuboids)))
    return Sample(Request(text, image=record.image), Target(text=write_cuboids(one)))
