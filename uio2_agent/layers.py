"""Building blocks of the main transformer and the resamplers: norm, attention, MLPs (spec section 4).

Unusual: attention is split into `keys_values` and `forward`, so that a decoder can keep what the first
returns instead of recomputing it. Masks are boolean, True where a query may look; a row without any True is
undefined and must not be read. Dropout is 0 in every release and does not exist here.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.positions import rotate

Rotary = tuple[Tensor, Tensor]
"""cos and sin, each [B or 1, 1, L, head_dim / 2]."""

NORM_EPS = 1e-6


class RMSNorm(nn.Module):
    """Divide by the root mean square in float32, cast back, then scale."""

    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.rms_norm(x.float(), x.shape[-1:], eps=NORM_EPS)
        return normed.to(x.dtype) * self.scale.to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention without biases; queries and keys may be normed, or compared by scaled cosine."""

    def __init__(self, width: int, heads: int, head_dim: int, *, qk_norm: bool, scaled_cosine: bool = False):
        super().__init__()
        self.heads = heads
        inner = heads * head_dim
        self.query = linear(width, inner)
        self.key = linear(width, inner)
        self.value = linear(width, inner)
        self.out = linear(inner, width)
        self.query_norm = RMSNorm(head_dim) if qk_norm else None
        self.key_norm = RMSNorm(head_dim) if qk_norm else None
        self.logit_scale = nn.Parameter(torch.full((heads,), math.log(10.0))) if scaled_cosine else None

    def keys_values(self, context: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor]:
        """Project context [B, S, D] to keys (normed and rotated) and values, each [B, H, S, head_dim]."""
        keys = self._split(self.key(context))
        keys = keys if self.key_norm is None else self.key_norm(keys)
        keys = keys if rotary is None else rotate(keys, rotary)
        return keys, self._split(self.value(context))

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, rotary: Rotary | None
    ) -> Tensor:
        """Attend from x [B, L, D] under a mask that broadcasts to [B, H, L, S]; returns [B, L, D]."""
        queries = self._split(self.query(x))
        queries = queries if self.query_norm is None else self.query_norm(queries)
        queries = queries if rotary is None else rotate(queries, rotary)
        if self.logit_scale is None:
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        else:
            factor = self.logit_scale.clamp(max=math.log(100.0)).exp()[:, None, None]
            queries = (F.normalize(queries.float(), dim=-1, eps=1e-12) * factor).to(values.dtype)
            keys = F.normalize(keys.float(), dim=-1, eps=1e-12).to(values.dtype)
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, L, head_dim]


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
