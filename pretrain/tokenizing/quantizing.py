"""Vectors to codes while both learn: the straight-through estimate, its two losses, codes brought to life.

Unusual: a code that nothing has chosen for a while is put where a vector of the batch lies, since a codebook
that is learned by gradients alone leaves most of its rows unused. Source: van den Oord et al., Neural
Discrete Representation Learning (2017); unit vectors as in ViT-VQGAN (Yu et al. 2022).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN, nearest

COMMITMENT = 0.25
"""Weight of what draws vectors to their codes, beside what draws codes to their vectors."""


@dataclass(frozen=True)
class Quantized:
    """`decoded` [B, channels, H, W], raw; `codes` int64 [B, N]; `vectors` [B, N, code_dim] before they were
    quantised; `loss`, a mean over them.
    """

    decoded: Tensor
    codes: Tensor
    vectors: Tensor
    loss: Tensor


def through(tokenizer: VQGAN | ViTVQGAN, values: Tensor) -> Quantized:
    """Send values [B, channels, H, W] through a tokenizer, gradients passing the codes as if they were not
    there.
    """
    codebook = tokenizer.quantize["embedding"].weight
    if isinstance(tokenizer, VQGAN):
        features = tokenizer.features(values)  # [B, code_dim, rows, columns]
        vectors = features.flatten(2).transpose(1, 2)  # [B, N, code_dim]
    else:
        vectors = F.normalize(tokenizer.encoder(values[:, 0]), dim=-1)
        codebook = F.normalize(codebook, dim=-1)
    codes = nearest(vectors.detach(), codebook.detach())
    chosen = F.embedding(codes, codebook)
    to_codes = F.mse_loss(chosen, vectors.detach())
    loss = to_codes + COMMITMENT * F.mse_loss(vectors, chosen.detach())
    passed = vectors + (chosen - vectors).detach()
    if isinstance(tokenizer, VQGAN):
        grid = passed.transpose(1, 2).unflatten(2, features.shape[2:])
        decoded = tokenizer.decoder(tokenizer.post_quant_conv(grid))
    else:
        decoded = tokenizer.decoder(passed)[:, None]
    return Quantized(decoded, codes, vectors.detach(), loss)


class CodeUse(nn.Module):
    """Counts since when each code was not chosen, in steps; its state is part of a run's."""

    def __init__(self, codes: int, patience: int):
        super().__init__()
        self._patience = patience
        self.register_buffer("idle", torch.zeros(codes))

    @torch.no_grad()
    def settle(self, tokenizer: VQGAN | ViTVQGAN, passed: Quantized, generator: torch.Generator) -> int:
        """Count a step's codes, and put those that waited too long onto drawn vectors of the step; return how
        many.
        """
        self.idle += 1
        self.idle[passed.codes.unique()] = 0
        dead = (self.idle >= self._patience).nonzero()[:, 0]
        vectors = passed.vectors.flatten(0, 1)
        dead = dead[: len(vectors)]
        if len(dead):
            drawn = torch.randperm(len(vectors), generator=generator)[: len(dead)].to(vectors.device)
            tokenizer.quantize["embedding"].weight[dead] = vectors[drawn]
            self.idle[dead] = 0
        return len(dead)
