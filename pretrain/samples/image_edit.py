"""An image after a change that words tell.

Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix, image editing.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, clean
from pretrain.samples.sample import Sample
from pretrain.sources.records import EditRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class ImageEditOptions:
    """None so far."""


def build(
    record: EditRecord, rng: np.random.Generator, options: ImageEditOptions, context: Context
) -> Sample:
    """Show the image, tell the change, and ask for the result."""
    if not (instruction := clean(record.instruction)):
        raise UnusableRecord("nobody says what to change")
    text = context.prompts.draw("image_edit", rng, instruction=instruction)
    return Sample(Request(text, image=record.before), Target(image=record.after))
