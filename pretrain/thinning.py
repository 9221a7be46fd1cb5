"""Fewer tokens of plain table to learn from: most of a picture to be drawn shows nothing.

Four of five tokens of the tabletop are bare table. What they add to the gradient is mostly noise, by which
the few that show things are learned several times slower (docs/imagination.md). With a part of them left out
of the loss a model comes to expect more things than there are, so a last run wants them all.
"""

import dataclasses
import math

import numpy as np
import torch

from pretrain.tokenizing.plain import plain_patches
from uio2_agent.inputs.batch import CodeTarget


def thinned(target: CodeTarget, share: float, rng: np.random.Generator) -> CodeTarget:
    """Return target pictures of whose plain tokens only a share, drawn at random, counts in the loss."""
    plain = plain_tokens(target)
    drawn = torch.from_numpy(rng.random(tuple(plain.shape)) < share)
    return dataclasses.replace(target, loss_mask=target.loss_mask & (~plain | drawn))


def plain_tokens(target: CodeTarget) -> torch.Tensor:
    """Return bool [B, N]: which tokens of target pictures stand for one colour."""
    pictures = target.values.permute(0, 3, 1, 2)  # [B, channels, H, W]
    patch = math.isqrt(pictures.shape[2] * pictures.shape[3] // target.loss_mask.shape[1])
    return plain_patches(pictures, patch)
