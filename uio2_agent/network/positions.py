"""Positions that are not learned: rotary tables, and the resize of a learned position grid.

Unusual: nothing here is a buffer of a module. Tables are functions of their sizes, computed once per device
and kept, so models can be built on the meta device and state dicts hold weights only.
Rotary tables in two dimensions are those of Unified-IO 2 (arXiv 2312.17172), section 3.2.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.network import closed_form


def constant(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Keep results of a function of sizes; never as inference tensors, which training could not use later."""

    @functools.lru_cache(maxsize=64)
    def kept(*arguments: Any) -> Tensor:
        # On the CPU even while a model is built under another default device, such as meta.
        with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
            return function(*arguments)

    return functools.wraps(function)(kept)


@constant
def rotary_1d(length: int, head_dim: int, device: torch.device) -> Tensor:
    """Return float32 [length, head_dim]: interleaved (cos, sin) of position * 10000^(-2i/head_dim)."""
    angles = torch.outer(torch.arange(length, dtype=torch.float32), _frequencies(head_dim))
    return _interleave(angles).to(device)


@constant
def rotary_2d(rows: int, columns: int, head_dim: int, scale: float, device: torch.device) -> Tensor:
    """Return float32 [rows * columns, head_dim]: half the pairs turn by row, the rest by column."""
    frequencies = _frequencies(head_dim // 2)
    row = torch.outer(torch.arange(rows, dtype=torch.float32) * scale, frequencies)
    column = torch.outer(torch.arange(columns, dtype=torch.float32) * scale, frequencies)
    grid = torch.cat([row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)], dim=-1)
    return _interleave(grid.flatten(0, 1)).to(device)


@constant
def sincos_2d(rows: int, columns: int, width: int, device: torch.device) -> Tensor:
    """Return float32 [rows * columns, width]: sines, then cosines, of the column; the same of the row."""
    steps = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float32) / (width // 4))
    row, column = (torch.outer(torch.arange(n, dtype=torch.float32), steps) for n in (rows, columns))
    row, column = (torch.cat([angles.sin(), angles.cos()], dim=-1) for angles in (row, column))
    grid = torch.cat([column[None].expand(rows, -1, -1), row[:, None].expand(-1, columns, -1)], dim=-1)
    return grid.flatten(0, 1).to(device)


@constant
def grid_resize(source: tuple[int, int], target: tuple[int, int], device: torch.device) -> Tensor:
    """Return float32 [target cells, source cells]: the antialiased bicubic resize of a raster grid, as a
    matrix.

    The resize is linear, so applying it is one product and its gradient comes for free.
    """
    cells = math.prod(source)
    basis = torch.eye(cells).view(1, cells, *source)
    resized = F.interpolate(basis, size=target, mode="bicubic", align_corners=False, antialias=True)
    return resized.view(cells, -1).T.contiguous().to(device)


@constant
def sine_grid(rows: int, columns: int, width: int) -> Tensor:
    """Return float32 [rows * columns, width] of unit variance: sines and cosines of column, then row."""
    steps = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    halves = []
    for count in (columns, rows):
        angles = torch.outer(torch.arange(count) * (2 * math.pi / count), steps * count / 4)
        halves.append(torch.cat([angles.sin(), angles.cos()], dim=-1) * math.sqrt(2))
    column, row = halves
    return torch.cat(
        [column[None].expand(rows, -1, -1), row[:, None].expand(-1, columns, -1)], dim=-1
    ).flatten(0, 1)


def rotary_pair(rows: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Split rotary rows [B, L, head_dim] into factors for `rotate`, each float32 [B, 1, L, head_dim].

    They are cos, cos, ... and -sin, sin, ... of each channel pair. In a bfloat16 model the official tables
    are bfloat16 too; `dtype` rounds them so.
    """
    cos, sin = rows.to(dtype).float().unsqueeze(1).unflatten(-1, (-1, 2)).unbind(-1)
    return cos.repeat_interleave(2, -1), torch.stack((-sin, sin), -1).flatten(-2)


def rotate(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each consecutive channel pair of x [B, H, L, head_dim] as one complex number, in float32."""
    cos, sin = pair
    if closed_form.applies(x):
        return closed_form.Turned.apply(x, torch.complex(cos[..., ::2], sin[..., 1::2]))
    wide = x.float()
    swapped = wide.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(wide * cos, swapped, sin).to(x.dtype)


def _frequencies(dim: int) -> Tensor:
    return 10_000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)


def _interleave(angles: Tensor) -> Tensor:
    return torch.stack((angles.cos(), angles.sin()), dim=-1).flatten(-2)
