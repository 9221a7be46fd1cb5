"""Who may look at whom in packed rows: for SDPA as a bias, for FlexAttention as blocks.

Unusual: one rule per pair of tokens serves both, so they cannot differ; a list of blocks is derived from the
ends of the segments in each block alone, because to try the rule on every pair costs more than it saves.
FlexAttention has no backward pass on CPU, so rows run there under a bias.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from uio2_agent.network.layers import HIDDEN, Attend
from uio2_agent.network.masks import RULES, Pattern

BLOCK = 128
"""Queries and keys of a block; rows that run in blocks are a multiple of this long."""
Rule = Callable[["Slots", "Slots"], Tensor]
"""Told a query and a key, says whether the one may look at the other."""


@dataclass(frozen=True)
class Slots:
    """What decides who may look at whom, all int [R, L] but shown, which is bool.

    segment: which of the row's examples; -1 where empty. The rest is of targets. answer: which of the
    example's, those of another modality included. place: in the target. columns: of its raster, 0 for a line
    of text. shown: False for an input that holds a token the encoder did not see.
    """

    segment: Tensor
    answer: Tensor | None = None
    place: Tensor | None = None
    columns: Tensor | None = None
    shown: Tensor | None = None

    def __getitem__(self, index: Any) -> "Slots":
        """Return every field at an index."""
        values = (getattr(self, field.name) for field in fields(self))
        return Slots(*(None if value is None else value[index] for value in values))


def same_segment(query: Slots, key: Slots) -> Tensor:
    """Tell whether both are of the same example: the rule of the encoder and of cross-attention."""
    return (query.segment == key.segment) & (query.segment >= 0)


def earlier_target(pattern: Pattern | None) -> Rule:
    """Return the rule of a decoder layer: the same target, not later, as the pattern has it in a raster.

    Without a pattern all earlier ones are seen.
    """

    fits = None if pattern is None else RULES[pattern]

    def rule(query: Slots, key: Slots) -> Tensor:
        seen = same_segment(query, key) & (query.answer == key.answer) & (key.place <= query.place)
        if query.shown is not None:
            seen = seen & ((query.shown & key.shown) | (key.place == query.place))
        if fits is not None:
            columns = query.columns.clamp(min=1)
            seen = seen & ((query.columns == 0) | fits(query.place, key.place, columns))
        return seen

    return rule


def dense_bias(rule: Rule, queries: Slots, keys: Slots, dtype: torch.dtype) -> Tensor:
    """Return the bias [R, 1, queries, keys] for SDPA."""
    seen = rule(queries[:, :, None], keys[:, None])[:, None]
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, HIDDEN)


def block_mask(rule: Rule, queries: Slots, keys: Slots, causal: bool) -> Any:
    """Return the BlockMask of FlexAttention for rows whose lengths are multiples of `BLOCK`.

    causal: no key behind its query is seen.
    """
    from torch.nn.attention.flex_attention import BlockMask

    (low, high), (first, last) = (_ends(slots.segment) for slots in (queries, keys))
    some = (low[:, :, None] <= last[:, None]) & (first[:, None] <= high[:, :, None])  # [R, blocks, blocks]
    if causal:
        some = some.tril()
    count, order = _listed(some[:, None])

    def allowed(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return rule(queries[row, query], keys[row, key])

    lengths = queries.segment.shape[1], keys.segment.shape[1]
    return BlockMask.from_kv_blocks(count, order, BLOCK_SIZE=BLOCK, mask_mod=allowed, seq_lengths=lengths)


def attend_in_blocks(mask: Any) -> Attend:
    """Return an attention under a BlockMask."""

    def attend(queries: Tensor, keys: Tensor, values: Tensor, scale: float | None) -> Tensor:
        return _flex_attention()(queries, keys, values, block_mask=mask, scale=scale)

    return attend


def attention_under(
    rules: Sequence[Rule], queries: Slots, keys: Slots, dtype: torch.dtype, causal: bool = False
) -> list[Tensor | Attend]:
    """Return what each rule means for an attention layer, made once for rules that are the same object."""
    made: dict[Rule, Tensor | Attend] = {}
    for rule in rules:
        if rule in made:
            continue
        if in_blocks(queries.segment.device):
            made[rule] = attend_in_blocks(block_mask(rule, queries, keys, causal))
        else:
            made[rule] = dense_bias(rule, queries, keys, dtype)
    return [made[rule] for rule in rules]


def in_blocks(device: torch.device) -> bool:
    """Tell whether packed rows run in blocks there."""
    return device.type == "cuda"


@functools.cache
def _flex_attention() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _ends(segment: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last segment of each block [R, blocks]; empty ones have none."""
    blocks = segment.unflatten(1, (-1, BLOCK))
    none = torch.iinfo(segment.dtype).max
    return blocks.where(blocks >= 0, none).amin(-1), blocks.amax(-1)


def _listed(some: Tensor) -> tuple[Tensor, Tensor]:
    """Return int32 counts [..., Q] and the True columns first, in order [..., Q, K]."""
    order = some.to(torch.int8).sort(dim=-1, descending=True, stable=True).indices
    return some.sum(-1).to(torch.int32), order.to(torch.int32).contiguous()
