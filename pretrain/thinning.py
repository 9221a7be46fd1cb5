"""Fewer tokens to learn from of what a picture to be drawn shows anyway: plain table, and what stays.

Four of five tokens of the tabletop are bare table, and most of the others show things that the task leaves
alone. What they add to the gradient is mostly noise, by which the few that change are learned several times
slower (docs/imagination.md). With a part of them left out of the loss a model comes to expect more of the
others than there are, so a last run wants them all.
"""

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.tokenizing.plain import plain_patches
from uio2_agent.inputs.batch import CodeTarget

_CHANGED = 0.25
"""What a patch's values, which span 2, must differ by at most to show what it did before."""


def thinned(
    target: CodeTarget, before: Tensor, plain_share: float, still_share: float, rng: np.random.Generator
) -> CodeTarget:
    """Return target pictures of whose tokens only a share, drawn at random, counts in the loss: one of those
    of plain table, another of the other ones that show what was there `before`, pictures as the target has
    them.
    """
    plain = plain_tokens(target)
    still = still_tokens(target, before) & ~plain
    shares = torch.where(plain, plain_share, torch.where(still, still_share, 1.0))
    drawn = torch.from_numpy(rng.random(tuple(plain.shape))) < shares
    return dataclasses.replace(target, loss_mask=target.loss_mask & drawn)


def plain_tokens(target: CodeTarget) -> Tensor:
    """Return bool [B, N]: which tokens of target pictures stand for one colour."""
    return plain_patches(target.values.permute(0, 3, 1, 2), _patch(target))


def still_tokens(target: CodeTarget, before: Tensor) -> Tensor:
    """Return bool [B, N]: which tokens of target pictures show what pictures [B, H, W, C] showed before."""
    differs = (target.values - before).abs().amax(-1)[:, None]  # [B, 1, H, W]
    return F.max_pool2d(differs, _patch(target)).flatten(1) <= _CHANGED


def _patch(target: CodeTarget) -> int:
    """Pixels of a token's side."""
    height, width = target.values.shape[1:3]
    return math.isqrt(height * width // target.loss_mask.shape[1])
