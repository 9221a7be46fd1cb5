"""What every input modality turns into, and how modalities are put in a row (spec section 6)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Tokens:
    """A stretch of encoder input: embed [B, L, D], mask bool [B, L], rotary rows float32 [B, L, head_dim]."""

    embed: Tensor
    mask: Tensor
    rotary: Tensor


def concatenate(parts: list[Tokens]) -> Tokens:
    """Join modalities along the length, in the order given."""
    dtype = parts[0].embed.dtype
    return Tokens(
        embed=torch.cat([part.embed.to(dtype) for part in parts], dim=1),
        mask=torch.cat([part.mask for part in parts], dim=1),
        rotary=torch.cat([part.rotary for part in parts], dim=1),
    )
