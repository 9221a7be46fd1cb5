"""Vectors to codes while both learn: the straight-through estimate, its two losses, codes brought to life.

Unusual: a code that nothing has chosen for a while is put where a vector of the batch lies that is far from
its code, as k-means++ seeds its centres (Arthur and Vassilvitskii 2007). A codebook that is learned by
gradients alone leaves most of its rows unused; rows put onto any vector pile up on what fills most of the
pictures, an empty table, whose code is then a coin toss that no model can predict. Source: van den Oord et
al., Neural Discrete Representation Learning (2017); unit vectors as in ViT-VQGAN (Yu et al. 2022).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.tokenizing.plain import tied
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


def through(tokenizer: VQGAN | ViTVQGAN, values: Tensor, learning: bool = False) -> Quantized:
    """Send values [B, channels, H, W] through a tokenizer, gradients passing the codes as if they were not
    there; `learning` ties the codes of plain patches of a picture.
    """
    codebook = tokenizer.quantize["embedding"].weight
    if isinstance(tokenizer, VQGAN):
        features = tokenizer.features(values)  # [B, code_dim, rows, columns]
        vectors = features.flatten(2).transpose(1, 2)  # [B, N, code_dim]
    else:
        vectors = F.normalize(tokenizer.encoder(values[:, 0]), dim=-1)
        codebook = rows_of(tokenizer, codebook)
    codes = nearest(vectors.detach(), codebook.detach())
    if learning and isinstance(tokenizer, VQGAN):
        codes = tied(codes, values, tokenizer.config.patch_size[0])
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


def rows_of(tokenizer: VQGAN | ViTVQGAN, codebook: Tensor) -> Tensor:
    """Return the rows [codes, code_dim] of a codebook as vectors are compared with them."""
    return codebook if isinstance(tokenizer, VQGAN) else F.normalize(codebook, dim=-1)


class CodeUse(nn.Module):
    """Counts since when each code was not chosen, in steps; its state is part of a run's."""

    def __init__(self, codes: int, patience: int):
        super().__init__()
        self._patience = patience
        self.register_buffer("idle", torch.zeros(codes))

    @torch.no_grad()
    def settle(self, tokenizer: VQGAN | ViTVQGAN, passed: Quantized, generator: torch.Generator) -> int:
        """Count a step's codes, and put those that waited too long onto vectors of the step, drawn by their
        squared distance from their codes; return how many.
        """
        self.idle += 1
        self.idle[passed.codes.unique()] = 0
        dead = (self.idle >= self._patience).nonzero()[:, 0]
        vectors = passed.vectors.flatten(0, 1)
        codebook = tokenizer.quantize["embedding"].weight
        away = (vectors - rows_of(tokenizer, codebook)[passed.codes.flatten()]).square().sum(-1)
        revived = 0
        for code in dead.tolist():
            if not away.any():  # every vector lies on a code
                break
            place = int(away.cpu().multinomial(1, generator=generator))
            codebook[code] = vectors[place]
            away = torch.minimum(away, (vectors - vectors[place]).square().sum(-1))
            self.idle[code] = 0
            revived += 1
        return revived
