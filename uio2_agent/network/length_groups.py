"""Rows of different length in one tensor: leave out what is masked, run like lengths together, put it back.

A batch of mixed requests holds rows of very different length (one has an image, another a word). Padding them
to the longest would make each cost as much as the longest. Here rows are sorted by length and cut into groups
that waste little; each group runs as a dense batch of its own.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

LIKE = 0.8
"""Rows share a group if the shortest is at least this part of the longest."""


def length_groups(lengths: list[int]) -> Iterator[tuple[list[int], int]]:
    """Yield (rows, longest) so that rows of a group have like lengths; rows of length 0 are left out."""
    order = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
    while order:
        longest = lengths[order[0]]
        count = sum(lengths[row] >= LIKE * longest for row in order)
        yield sorted(order[:count]), longest
        order = order[count:]


def valid_first(mask: Tensor, length: int) -> Tensor:
    """Return the order int64 [B, length] that puts the True entries of mask [B, N] before the False ones."""
    return mask.sort(dim=1, descending=True, stable=True).indices[:, :length]


def take(values: Tensor, order: Tensor) -> Tensor:
    """Return values [B, N, ...] at order [B, length]: [B, length, ...]."""
    return values[torch.arange(len(order), device=order.device)[:, None], order]
