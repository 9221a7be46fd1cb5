"""The loss on target text, with ordinal soft labels on location tokens.

Unusual: a location is a number, so its target is a bump around the true bin instead of that bin alone.
Neighbouring bins then teach each other, which is what lets a small model start to learn where things are
(docs/nano.md). Words keep their hard labels. `sigma=0` is UIO-2's plain cross-entropy.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.text.vocabulary import LOCATIONS, Vocabulary


class TextLoss:
    """Cross-entropy of target text: mean over location tokens plus mean over words.

    The two means are apart because an action has six numbers among twenty words that follow from the grammar.
    """

    def __init__(self, vocabulary: Vocabulary, sigma: float):
        """`sigma`: width of a location's bump in bins of 1/999."""
        self.sigma = sigma
        self._first = vocabulary.pieces  # ids of locations are first … first + 999, bins run backwards
        self._kernel = bump_table(sigma)  # [bin, bin]

    def __call__(self, logits: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss over location tokens and that over words; logits [B, T, V], ids [B, T]."""
        logits = logits.float()
        offset = targets - self._first
        is_location = (offset >= 0) & (offset < LOCATIONS) & mask
        total = logits.logsumexp(-1)
        words = total - logits.gather(-1, targets[..., None])[..., 0]
        bins, first = offset[is_location], self._first
        scores = logits[..., first : first + LOCATIONS][is_location]  # [n, 1000], reversed bins
        soft = total[is_location] - (self._kernel.to(logits.device)[bins] * scores).sum(-1)
        return _mean(soft, torch.ones_like(soft)), _mean(words, mask & ~is_location)


def bump_table(sigma: float) -> Tensor:
    """Return float32 [1000, 1000]: row b is the soft label of bin b, a normal bump of width sigma, summing to
    1.
    """
    bins = torch.arange(LOCATIONS, dtype=torch.float32)
    if sigma == 0:
        return torch.eye(LOCATIONS)
    bumps = torch.exp(-0.5 * ((bins - bins[:, None]) / sigma).square())
    # Tails are cut before they become denormal numbers, which a CPU multiplies a hundred times slower.
    return F.normalize(bumps.where(bumps > 1e-8, 0.0), p=1, dim=-1)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
