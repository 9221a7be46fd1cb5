"""Building blocks of the main transformer and the resamplers: norm, attention, MLPs (spec section 4).

Unusual: attention is split into `keys_values` and `forward`, so that a decoder can keep what the first
returns instead of recomputing it. A mask is an additive bias of 0 and -1e10 rather than minus infinity, as
officially, so a query that may look nowhere gets the plain average and never a NaN; None hides nothing.
Dropout is 0 in every release and does not exist here.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.positions import rotate

Rotary = tuple[Tensor, Tensor]
"""The factors of `positions.rotary_pair`, each [B or 1, 1, L, head_dim]."""

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
        wide = x.float()
        # Spelled out because torch's own takes three times as long for a row or two.
        normed = wide * wide.square().mean(-1, keepdim=True).add_(NORM_EPS).rsqrt_()
        return normed.to(x.dtype) * self.scale.to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention; queries and keys may be normed, or compared by scaled cosine (spec section 4).

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

    def keys_values(self, context: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor]:
        """Project context [B, S, D] to keys (normed and rotated) and values, each [B, H, S, head_dim]."""
        keys = self._split(self.key(context))
        keys = keys if self.key_norm is None else self.key_norm(keys)
        keys = keys if rotary is None else rotate(keys, rotary)
        return keys, self._split(self.value(context))

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, rotary: Rotary | None
    ) -> Tensor:
        """Attend from x [B, L, D] with a bias that broadcasts to [B, H, L, S]; returns [B, L, D]."""
        queries = self._split(self.query(x))
        queries = queries if self.query_norm is None else self.query_norm(queries)
        queries = queries if rotary is None else rotate(queries, rotary)
        scale = None
        if self.logit_scale is not None:
            factor = self.logit_scale.float().clamp(max=math.log(100.0)).exp()[:, None, None]
            queries = (F.normalize(queries.float(), dim=-1, eps=1e-12) * factor).to(values.dtype)
            keys = F.normalize(keys.float(), dim=-1, eps=1e-12).to(values.dtype)
            scale = 1.0
        if self.clip_logit is None:
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=scale)
        else:
            mixed = _clipped_attention(queries, keys, values, bias, scale, self.clip_logit)
        if self.head_scale is not None:
            mixed = mixed * self.head_scale.to(mixed.dtype)[:, None, None]
        return self.out(mixed.transpose(1, 2).flatten(2))

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

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


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
