"""Classifier-free guidance: two requests decoded side by side, the answer led away from the second.

Unusual: both are fed the same tokens, those chosen from the combined scores; only the main half is ever
sampled.
"""

import numpy as np
import torch
from torch import Tensor

from uio2_agent.generation.stepping import Stepper


def guide(main: Tensor, negative: Tensor, scale: float) -> Tensor:
    """Return (1 + scale) * log p(main) - scale * log p(negative) of logits [..., V]."""
    return (1 + scale) * main.log_softmax(-1) - scale * negative.log_softmax(-1)


class GuidedStepper:
    """A stepper whose rows are main requests, then as many negative ones."""

    def __init__(self, stepper: Stepper, scale: float):
        self._stepper, self._scale = stepper, scale
        self.rows = stepper.rows // 2

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor:
        """Feed both halves; returns hidden states [B, q, 2 D], the main half first."""
        hidden = self._stepper(np.concatenate([tokens] * 2), np.concatenate([positions] * 2))
        return torch.cat(hidden.chunk(2), dim=-1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return guided scores float32 [..., V] of hidden states [..., 2 D]."""
        main, negative = (self._stepper.logits(part) for part in hidden.chunk(2, dim=-1))
        return guide(main, negative, self._scale)
