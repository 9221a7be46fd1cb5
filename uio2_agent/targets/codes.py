"""Codes of a picture to decoder inputs and targets (spec sections 3.2 and 8.2)."""

import torch.nn.functional as F
from torch import Tensor

from uio2_agent.batch import CodeTarget, TokenTarget
from uio2_agent.positions import counting

FIRST_CODE = 2
"""Code c is token c + 2; 0 starts a target, 1 is reserved."""


def code_target(codes: Tensor, target: CodeTarget) -> TokenTarget:
    """Return the target of codes [B, N]: each token is predicted from those before it."""
    targets = codes + FIRST_CODE
    inputs = F.pad(targets[:, :-1], (1, 0))
    positions = counting(codes.shape[1], codes.device).expand_as(codes)
    return TokenTarget(inputs, targets, target.loss_mask, positions, target.mask)
