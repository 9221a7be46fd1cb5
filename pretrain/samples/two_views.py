"""Two views of a room: one of them noisy, to be completed with the help of the other.

Source: CroCo (arXiv 2210.10716), as Unified-IO 2 (arXiv 2312.17172, section 3.3) uses it; share hidden: ours.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.denoisers.patches import CROSS_VIEW, PatchMasking
from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.sample import Hidden, Sample
from pretrain.sources.records import ViewsRecord
from uio2_agent.fields import check_fields
from uio2_agent.request import Request, Target

VIEWS_TEXT = "<image_history_1> <image_input>"


@dataclass(frozen=True, kw_only=True)
class TwoViewOptions:
    """How noisy the view is."""

    hidden: PatchMasking = CROSS_VIEW
    """Which of its patches are hidden."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(record: ViewsRecord, rng: np.random.Generator, options: TwoViewOptions, context: Context) -> Sample:
    """Hide most of one view, show another whole, and ask for the first."""
    if len(record.images) < 2:
        raise UnusableRecord(f"two views are needed, the record has {len(record.images)}")
    noisy, whole = (record.images[int(index)] for index in rng.permutation(len(record.images))[:2])
    hidden = options.hidden.draw(context.config.image_grid, rng)
    request = Request(VIEWS_TEXT, image=noisy, image_history=(whole,))
    return Sample(request, Target(image=noisy), "R", Hidden(image=hidden, image_history=(None,)))
