"""The patch encoders under images and spectrograms: 11 pre-norm blocks of a CLIP-like or an AST-like ViT.

Unusual: it returns the last and the *second* block's output, with no final norm; the class token (and the
distillation token) always take part and are dropped at the end; image positions are resized to the grid
asked for, spectrogram positions are indexed with rows and columns swapped. Masked patches are left out, not
masked: an absent picture costs nothing, a half one half.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.config import ViTConfig
from uio2_agent.network.layers import attention_bias, linear
from uio2_agent.network.length_groups import length_groups, take, valid_first
from uio2_agent.network.positions import grid_resize, sine_grid


class ViT(nn.Module):
    """Encode patches; the weights are shared by single images and history frames."""

    def __init__(self, config: ViTConfig, position_init: float = 0.02):
        super().__init__()
        self.config = config
        ast = config.lineage == "ast"
        self.patch = linear(config.patch_dim, config.width, bias=ast)
        self.class_token = nn.Parameter(torch.randn(config.width) * 0.02)
        self.distillation_token = nn.Parameter(torch.randn(config.width) * 0.02) if ast else None
        extra = 2 if ast else 1
        rows, columns = config.positions
        positions = torch.randn(extra + rows * columns, config.width) * min(position_init, 0.02)
        if position_init > 0.1 and not positions.is_meta:
            positions[extra:] += sine_grid(rows, columns, config.width).to(positions.device) * position_init
        self.positions = nn.Parameter(positions)
        self.input_norm = None if ast else nn.LayerNorm(config.width, eps=1e-5)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(
        self, patches: Tensor, mask: Tensor, positions: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Encode patches [B, N, patch dim] with mask bool [B, N] and raster positions [B, N] on a grid
        (rows, columns).

        Returns the features of the last and of the second block, each [B, N, width]; what stands where the
        mask is False is finite and means nothing.
        """
        if bool(mask.all()):
            return self._encode(patches, mask, positions, grid)
        shape = (*mask.shape, self.config.width)
        last, second = (patches.new_zeros(shape, dtype=self.patch.weight.dtype) for _ in range(2))
        for rows, length in length_groups(mask.sum(1).tolist()):
            index = torch.tensor(rows, device=mask.device)
            order = valid_first(mask[index], length)  # [rows, length]
            parts = (take(value[index], order) for value in (patches, mask, positions))
            encoded = self._encode(*parts, grid)
            place = (index[:, None], order)
            last, second = (
                x.index_put(place, y.to(x.dtype)) for x, y in zip((last, second), encoded, strict=True)
            )
        return last, second

    def _encode(
        self, patches: Tensor, mask: Tensor, positions: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        x = self.patch(patches.to(self.patch.weight.dtype))
        extra = (
            [self.class_token]
            if self.distillation_token is None
            else [self.class_token, self.distillation_token]
        )
        table, count = self._position_table(grid), len(extra)
        x = x + table[count:].to(x.dtype)[positions]
        tokens = torch.stack(extra) + table[:count]  # [count, width]
        x = torch.cat([tokens.to(x.dtype).expand(len(x), -1, -1), x], dim=1)
        bias = attention_bias(
            F.pad(mask, (count, 0), value=True)[:, None, None], x.dtype
        )  # [B, 1, 1, count + N]
        if self.input_norm is not None:
            x = self.input_norm(x)
        second = x
        for index, block in enumerate(self.blocks):
            x = block(x, bias)
            if index == 1:
                second = x
        return x[:, count:], second[:, count:]

    def _position_table(self, grid: tuple[int, int]) -> Tensor:
        """Return the rows of the extra tokens, then one row per raster cell of the grid."""
        if self.config.lineage == "ast":
            order = transposed_positions(*grid, self.positions.device)
            return torch.cat([self.positions[:2], self.positions[2:][order]])
        if grid == self.config.positions:
            return self.positions
        resize = grid_resize(self.config.positions, grid, self.positions.device)
        learned = self.positions[1:]
        return torch.cat([self.positions[:1], (resize @ learned.float()).to(learned.dtype)])


def transposed_positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return int64 [rows * columns]: the learned row that each raster cell of a spectrogram reads.

    Cell (row, column) reads column * rows + row.
    """
    return torch.arange(rows * columns, device=device).view(columns, rows).T.flatten()


class Block(nn.Module):
    """One pre-norm block with biased projections."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        ast = config.lineage == "ast"
        eps = 1e-6 if ast else 1e-5
        self.approximate = "tanh" if ast else "none"
        self.attention_norm = nn.LayerNorm(config.width, eps=eps)
        self.attention = BiasedAttention(config)
        self.mlp_norm = nn.LayerNorm(config.width, eps=eps)
        self.up = linear(config.width, config.mlp_dim, bias=True)
        self.down = linear(config.mlp_dim, config.width, bias=True)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), bias)
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate=self.approximate))


class BiasedAttention(nn.Module):
    """Plain self-attention with biases."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        self.heads = config.heads
        inner = config.heads * config.head_dim
        self.query = linear(config.width, inner, bias=True)
        self.key = linear(config.width, inner, bias=True)
        self.value = linear(config.width, inner, bias=True)
        self.out = linear(inner, config.width, bias=True)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(2))
