"""Which earlier target tokens a target token may look at.

Unusual: the released code builds the sparse patterns and the dynamic mask and never applies them, so the
released weights want plain causal masks; both are the method of the paper (arXiv 2312.17172), and two
switches of the configuration. All masks are boolean [query, key], True where the query may look.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.network.positions import constant

NEIGHBOURHOOD = 5
"""Rows and columns to each side that the convolution pattern of every release reaches."""

Pattern = Callable[[int, int, torch.device], Tensor]
Rule = Callable[[Tensor, Tensor, Tensor | int], Tensor]
"""Called with a query's and a key's places in a raster, and its columns."""


def within_a_row(query: Tensor, key: Tensor, columns: Tensor | int) -> Tensor:
    """Tell of places in a raster whether the key is at most a row's length before the query."""
    return query - key <= columns


def same_column(query: Tensor, key: Tensor, columns: Tensor | int) -> Tensor:
    """Tell of places in a raster whether they stand in the same column."""
    return (query - key) % columns == 0


def neighbours(query: Tensor, key: Tensor, columns: Tensor | int, reach: int = NEIGHBOURHOOD) -> Tensor:
    """Tell of places in a raster whether they are at most `reach` rows and columns apart."""
    rows = (query // columns - key // columns).abs() <= reach
    return rows & ((query % columns - key % columns).abs() <= reach)


@constant
def causal(length: int, device: torch.device) -> Tensor:
    """Return [length, length]: itself and everything before."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


@constant
def row_pattern(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return [N, N] over a raster: the last `columns` tokens and itself."""
    return _earlier(within_a_row, rows, columns, device)


@constant
def column_pattern(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return [N, N] over a raster: the same column, this row and above."""
    return _earlier(same_column, rows, columns, device)


@constant
def convolution_pattern(rows: int, columns: int, device: torch.device, reach: int = NEIGHBOURHOOD) -> Tensor:
    """Return [N, N] over a raster: earlier tokens at most `reach` rows and columns away."""
    return _earlier(partial(neighbours, reach=reach), rows, columns, device)


RULES: dict[Pattern, Rule] = {
    row_pattern: within_a_row,
    column_pattern: same_column,
    convolution_pattern: neighbours,
}
"""What each pattern asks of a query's and a key's places, both not after the query."""


def layer_pattern(layer: int, layers: int) -> Pattern:
    """Return the pattern of a decoder layer: convolution for the last, every fourth column, else row."""
    if layer == layers - 1:
        return convolution_pattern
    return column_pattern if (layer - 1) % 4 == 0 else row_pattern


def dynamic_mask(hidden: Tensor) -> Tensor:
    """Return [B, T, T] for target tokens that were hidden from the encoder, bool [B, T].

    Decoder input t holds token t - 1. A hidden one neither sees nor is seen, except by itself.
    """
    shown = shown_inputs(hidden)
    return shown[:, :, None] & shown[:, None] | torch.eye(
        shown.shape[1], dtype=torch.bool, device=shown.device
    )


def shown_inputs(hidden: Tensor) -> Tensor:
    """Return bool [B, T], by decoder input, whether the encoder saw the token that the input holds."""
    return torch.nn.functional.pad(~hidden[:, :-1], (1, 0), value=True)


def target_masks(
    config: UnifiedIO2Config,
    grid: tuple[int, int] | None,
    length: int,
    device: torch.device,
    *,
    valid: Tensor | None = None,
    hidden: Tensor | None = None,
    answer: Tensor | None = None,
) -> list[Tensor]:
    """Return each decoder layer's mask over a target of `length` tokens, [T, T] or [B, 1, T, T].

    Arguments:
        grid: rows and columns of an image or audio target; None for text, which no pattern touches.
        valid: bool [B, T], False for padding that may stand anywhere; such a token is seen by itself only.
        hidden: bool [B, T], tokens hidden from the encoder; read with `dynamic_masking` only.
        answer: int64 [B, T], which of several answers each token belongs to; they do not see each other.
    """
    layers = config.decoder_layers
    if grid is None or not config.sparse_patterns:
        masks = [causal(length, device)] * layers
    else:
        masks = [layer_pattern(layer, layers)(*grid, device)[:length, :length] for layer in range(layers)]
    narrow = []
    if valid is not None:
        itself = torch.eye(length, dtype=torch.bool, device=device)
        narrow.append((valid[:, None] & valid[:, :, None]) | itself)
    if hidden is not None and config.dynamic_masking:
        narrow.append(dynamic_mask(hidden))
    if answer is not None:
        narrow.append(answer[:, None] == answer[:, :, None])
    for mask in narrow:  # [B, T, T]
        masks = _each(masks, lambda old, mask=mask: old & mask[:, None])
    return masks


def _each(masks: list[Tensor], change: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Change each different mask once; layers that shared one share the result."""
    changed = {id(mask): change(mask) for mask in {id(mask): mask for mask in masks}.values()}
    return [changed[id(mask)] for mask in masks]


def _earlier(rule: Rule, rows: int, columns: int, device: torch.device) -> Tensor:
    places = torch.arange(rows * columns, device=device)
    return rule(places[:, None], places, columns) & causal(rows * columns, device)
