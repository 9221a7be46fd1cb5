"""What is hidden of a picture or a sound that is to be restored (R).

Source: Unified-IO 2 (arXiv 2312.17172), section 3.3, which tells no ratios: those below are ours. They are a
half or more, because in pre-training no more than half of the patches enter the encoder. Of what is not
hidden, the processor leaves out what is above its `patch_share`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range, check_fields

PATCH_SHARES = {"pretraining": 0.5, "tuning": 0.875, "evaluation": 1.0}
"""Most patches of a picture or sound that enter the encoder, as a share of its grid (the paper's)."""

Share = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class PatchMasking:
    """How much of a picture or a sound is hidden, and where."""

    share: Share = 0.75
    """Of the patches of its grid."""
    most: Share | None = None
    """With it the share is drawn for each mask, uniformly from `share` up to this."""
    kind: Literal["random", "prefix"] = "random"
    """Which patches are shown: some at random, or the first in reading order."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.most is not None and self.most < self.share:
            raise UIO2Error(f"most={self.most} is not possible: it is below share={self.share}")

    def draw(self, grid: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Draw a mask, bool [rows, columns], True where hidden: one patch or more, and not all."""
        cells = grid[0] * grid[1]
        share = self.share if self.most is None else rng.uniform(self.share, self.most)
        shown = min(max(int((1 - share) * cells + 1e-6), 1), cells - 1)
        order = np.arange(cells) if self.kind == "prefix" else rng.permutation(cells)
        hidden = np.ones(cells, bool)
        hidden[order[:shown]] = False
        return hidden.reshape(grid)


IMAGE = PatchMasking()
AUDIO = PatchMasking(share=0.8)
CROSS_VIEW = PatchMasking(share=0.9)
"""Of a view that another view helps to restore."""
