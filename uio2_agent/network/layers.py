"""Building blocks of the main transformer and the resamplers: norm, attention, MLPs.

Unusual: attention is split into its projections and `forward`, so that a decoder can keep keys and values
instead of recomputing them. A mask is an additive bias of 0 and -1e10 rather than minus infinity, as
officially, so a query that may look nowhere gets the plain average and never a NaN; None hides nothing.
Dropout is 0 in every release and does not exist here.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.network import closed_form
from uio2_agent.network.positions import rotate

Rotary = tuple[Tensor, Tensor]
"""The factors of `positions.rotary_pair`, each [B or 1, 1, L, head_dim]."""

Attend = Callable[[Tensor, Tensor, Tensor, float | None], Tensor]
"""An attention with its own mask, told queries, keys, values and the scale of logits."""

NORM_EPS = 1e-6
HIDDEN = -1e10
"""What is added to the logit of a key that may not be seen."""


def attention_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Return what a boolean mask (True: may be seen) adds to logits; None if it hides nothing."""
    if mask is None or bool(mask.all()):
        return None
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, HIDDEN)


class RMSNorm(nn.Module):
    """Divide by the root mean square in float32, cast back, then scale."""

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        if closed_form.applies(x) and self.scale.dtype == x.dtype:
            return closed_form.Normed.apply(x, self.scale, NORM_EPS)
        wide = x.float()
        # In as few calls as can be: for the one row of a decoding step each costs more than its arithmetic.
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        inverse = (length.square() / x.shape[-1] + NORM_EPS).rsqrt()
        return (wide * inverse).to(x.dtype) * self.scale.to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention; queries and keys may be normed, or compared by scaled cosine.

    bias, clip_logit (bound of the logits before masking) and head_scale (a factor on each head's output)
    exist in the official module; no release uses them.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        head_dim: int,
        *,
        qk_norm: bool,
        scaled_cosine: bool = False,
        bias: bool = False,
        clip_logit: float | None = None,
        head_scale: bool = False,
    ):
        super().__init__()
        self.heads, self.clip_logit = heads, clip_logit
        inner = heads * head_dim
        self.query = linear(width, inner, bias)
        self.key = linear(width, inner, bias)
        self.value = linear(width, inner, bias)
        self.out = linear(inner, width, bias)
        self.query_norm = RMSNorm(head_dim) if qk_norm else None
        self.key_norm = RMSNorm(head_dim) if qk_norm else None
        self.logit_scale = nn.Parameter(torch.full((heads,), math.log(10.0))) if scaled_cosine else None
        self.head_scale = nn.Parameter(torch.ones(heads)) if head_scale else None
        self.joined: nn.Module | None = None
        """Query, key and value in one product, if the weights were packed."""

    def queries(self, x: Tensor, rotary: Rotary | None) -> Tensor:
        """Project x [B, L, D] to queries (normed and rotated) [B, H, L, head_dim]."""
        return self._prepared(self.query(x), self.query_norm, rotary)

    def keys_values(self, context: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor]:
        """Project context [B, S, D] to keys (normed and rotated) and values, each [B, H, S, head_dim]."""
        return self._prepared(self.key(context), self.key_norm, rotary), self._split(self.value(context))

    def queries_keys_values(self, x: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor, Tensor]:
        """Project x [B, L, D] to all three, each [B, H, L, head_dim], for self-attention."""
        if self.joined is None:
            return self.queries(x, rotary), *self.keys_values(x, rotary)
        query, key, value = self.joined(x).chunk(3, dim=-1)
        return (
            self._prepared(query, self.query_norm, rotary),
            self._prepared(key, self.key_norm, rotary),
            self._split(value),
        )

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | Attend | None) -> Tensor:
        """Attend with queries [B, H, L, head_dim] to keys and values [B, H, S, head_dim]; returns [B, L, D].

        The bias broadcasts to [B, H, L, S], or says itself how to attend.
        """
        scale = None
        if self.logit_scale is not None:
            factor = self.logit_scale.float().clamp(max=math.log(100.0)).exp()[:, None, None]
            queries = (F.normalize(queries.float(), dim=-1, eps=1e-12) * factor).to(values.dtype)
            keys = F.normalize(keys.float(), dim=-1, eps=1e-12).to(values.dtype)
            scale = 1.0
        if callable(bias):
            mixed = bias(queries, keys, values, scale)
        elif self.clip_logit is None:
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=scale)
        else:
            mixed = _clipped_attention(queries, keys, values, bias, scale, self.clip_logit)
        if self.head_scale is not None:
            mixed = mixed * self.head_scale.to(mixed.dtype)[:, None, None]
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _prepared(self, x: Tensor, norm: RMSNorm | None, rotary: Rotary | None) -> Tensor:
        x = x.unflatten(-1, (self.heads, -1))  # normed as it lies in memory
        x = (x if norm is None else norm(x)).transpose(1, 2)
        return x if rotary is None else rotate(x, rotary)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, L, head_dim]


def _clipped_attention(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, scale: float | None, bound: float
) -> Tensor:
    scale = queries.shape[-1] ** -0.5 if scale is None else scale
    logits = (queries.float() * scale) @ keys.float().transpose(-1, -2)  # [B, H, L, S]
    logits = logits.clamp(-bound, bound)
    logits = logits if bias is None else logits + bias
    return logits.softmax(-1).to(values.dtype) @ values


class GatedMLP(nn.Module):
    """down(silu(gate x) * up x), without biases."""

    def __init__(self, width: int, mlp_dim: int):
        super().__init__()
        self.gate = linear(width, mlp_dim)
        self.up = linear(width, mlp_dim)
        self.down = linear(mlp_dim, width)
        self.joined: nn.Module | None = None
        """Gate and up in one product, if the weights were packed."""

    def forward(self, x: Tensor) -> Tensor:
        gate, up = (self.gate(x), self.up(x)) if self.joined is None else self.joined(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class MLP(nn.Module):
    """down(gelu(up x)), without biases, exact GELU."""

    def __init__(self, width: int, mlp_dim: int):
        super().__init__()
        self.up = linear(width, mlp_dim)
        self.down = linear(mlp_dim, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


def linear(inputs: int, outputs: int, bias: bool = False) -> nn.Linear:
    """Make a linear layer with fan-in scaled normal weights and zero bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
