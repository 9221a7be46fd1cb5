"""The motion between two frames as a picture: the first is history, the second the image.

Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix on dense labelling; the colours are ours
(`uio2_agent.labels.flows`).
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context
from pretrain.samples.sample import Sample
from pretrain.sources.records import FlowRecord
from uio2_agent.labels.flows import flow_picture
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class FlowOptions:
    """None so far."""


def build(record: FlowRecord, rng: np.random.Generator, options: FlowOptions, context: Context) -> Sample:
    """Show both frames and ask for the flow."""
    request = Request(context.prompts.draw("flow", rng), image=record.after, image_history=(record.before,))
    return Sample(request, Target(image=flow_picture(record.flow, record.fastest)))
