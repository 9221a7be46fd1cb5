"""What every input modality turns into, and how modalities are put in a row.

Unusual: the official row keeps its padding. Here `compact` moves what is valid to the left, in order, and
cuts the rest, so that an example pays for what it holds. Positions travel with the tokens, so nothing else
changes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from uio2_agent.network.length_groups import take, valid_first


@dataclass
class Tokens:
    """A stretch of encoder input: embed [B, L, D], mask bool [B, L], rotary rows float32 [B, L, head_dim]."""

    embed: Tensor
    mask: Tensor
    rotary: Tensor
    order: Tensor | None = None
    """int64 [B, L]: where each token stood before `compact`; None if nothing moved."""
    original_length: int = 0
    """L before `compact`."""


def concatenate(parts: list[Tokens]) -> Tokens:
    """Join modalities along the length, in the order given."""
    dtype = parts[0].embed.dtype
    return Tokens(
        embed=torch.cat([part.embed.to(dtype) for part in parts], dim=1),
        mask=torch.cat([part.mask for part in parts], dim=1),
        rotary=torch.cat([part.rotary for part in parts], dim=1),
    )


def compact(tokens: Tokens) -> Tokens:
    """Leave out padding up to the longest row; valid tokens keep their order and start every row."""
    if bool(tokens.mask.all()):
        return tokens
    order = valid_first(tokens.mask, max(1, int(tokens.mask.sum(1).max())))
    embed, mask, rotary = (take(value, order) for value in (tokens.embed, tokens.mask, tokens.rotary))
    return Tokens(embed, mask, rotary, order, tokens.mask.shape[1])
