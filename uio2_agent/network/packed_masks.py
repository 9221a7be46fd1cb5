"""Who may look at whom in packed rows, and attention that runs so: in groups on CPU, in blocks on GPU.

Unusual: one rule per pair of tokens serves both, so they cannot differ. On CPU the examples are taken out of
their rows for attention alone and those of like lengths run together under a bias, so that what shares a row
costs nothing. On GPU FlexAttention skips blocks of pairs; the list of blocks is derived from the ends of the
segments in each block alone, because to try the rule on every pair costs more than it saves.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.network.closed_form import Move
from uio2_agent.network.layers import Attend, attention_bias
from uio2_agent.network.length_groups import LIKE
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
        return Slots(*(None if value is None else value[index] for value in vars(self).values()))


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


def dense_bias(rule: Rule, queries: Slots, keys: Slots, dtype: torch.dtype) -> Tensor | None:
    """Return the bias [R, 1, queries, keys] for SDPA; None if every pair is allowed."""
    return attention_bias(rule(queries[:, :, None], keys[:, None])[:, None], dtype)


def attend_in_groups(rule: Rule, queries: Slots, keys: Slots, dtype: torch.dtype) -> Attend:
    """Return an attention that runs the examples of rows by themselves, those of like lengths together."""
    groups = []
    for wanted, given in _like_lengths(queries.segment, keys.segment):
        bias = dense_bias(rule, _at(queries, wanted), _at(keys, given), dtype)
        groups.append((wanted, given, bias))
    sizes = queries.segment.numel(), keys.segment.numel()
    to_queries, to_keys = (
        Move.of(torch.cat([group[side].flatten() for group in groups]), sizes[side]) for side in (0, 1)
    )
    query_shapes, key_shapes = ([group[side].shape for group in groups] for side in (0, 1))

    def attend(queries: Tensor, keys: Tensor, values: Tensor, scale: float | None) -> Tensor:
        parts = zip(
            _grouped(queries, to_queries, query_shapes),
            _grouped(keys, to_keys, key_shapes),
            _grouped(values, to_keys, key_shapes),
            groups,
            strict=True,
        )
        mixed = [
            F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)
            for query, key, value, (*_, bias) in parts
        ]
        rows = to_queries.reverse(torch.cat([found.transpose(1, 2).flatten(0, 1) for found in mixed]))
        return rows.unflatten(0, (len(queries), -1)).transpose(1, 2)

    return attend


def _grouped(x: Tensor, move: Move, shapes: list[torch.Size]) -> list[Tensor]:
    """Return x [R, H, L, head_dim], counted through the rows, in groups [n, H, length, head_dim]."""
    parts = move(x.transpose(1, 2).flatten(0, 1)).split([shape.numel() for shape in shapes])
    return [part.unflatten(0, shape).transpose(1, 2) for part, shape in zip(parts, shapes, strict=True)]


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
) -> list[Attend]:
    """Return the attention under each rule, made once for rules that are the same object."""
    made: dict[Rule, Attend] = {}
    for rule in rules:
        if rule in made:
            continue
        if in_blocks(queries.segment.device):
            made[rule] = attend_in_blocks(block_mask(rule, queries, keys, causal))
        else:
            made[rule] = attend_in_groups(rule, queries, keys, dtype)
    return [made[rule] for rule in rules]


def in_blocks(device: torch.device) -> bool:
    """Tell whether packed rows run in blocks there."""
    return device.type == "cuda"


@functools.cache
def _flex_attention() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _like_lengths(queries: Tensor, keys: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the places of queries [n, q] and of keys [n, k], counted through the rows [R * L], of n examples
    whose lengths are alike; -1 behind the shorter ones. Segments are [R, L].
    """
    (starts, lengths), (key_starts, key_lengths) = _runs(queries), _runs(keys)
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for example, length in lengths.items():
        if example in key_lengths:
            likes = tuple(round(math.log(n) / -math.log(LIKE)) for n in (length, key_lengths[example]))
            found.setdefault(likes, []).append(example)
    for examples in found.values():
        yield (
            _places([starts[e] for e in examples], [lengths[e] for e in examples], queries.device),
            _places([key_starts[e] for e in examples], [key_lengths[e] for e in examples], queries.device),
        )


def _runs(segment: Tensor) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Return where each (row, segment) starts, counted through the rows, and how long it is."""
    begins = torch.ones_like(segment, dtype=torch.bool)
    begins[:, 1:] = segment[:, 1:] != segment[:, :-1]
    rows, columns = (begins & (segment >= 0)).nonzero().unbind(1)
    ends = torch.ones_like(begins)
    ends[:, :-1] = begins[:, 1:]
    lasts = (ends & (segment >= 0)).nonzero()[:, 1]
    starts, lengths = rows * segment.shape[1] + columns, lasts - columns + 1
    examples = list(zip(rows.tolist(), segment[rows, columns].tolist(), strict=True))
    return tuple(dict(zip(examples, of.tolist(), strict=True)) for of in (starts, lengths))


def _places(starts: list[int], lengths: list[int], device: torch.device) -> Tensor:
    """Return int64 [n, longest] of the places from each start on, -1 behind each length."""
    steps = torch.arange(max(lengths), device=device)
    places = torch.tensor(starts, device=device)[:, None] + steps
    return places.where(steps < torch.tensor(lengths, device=device)[:, None], -1)


def _at(slots: Slots, places: Tensor) -> Slots:
    """Return the slots [n, m] of places counted through the rows; empty ones where a place is -1."""
    flat = Slots(*(None if v is None else v.flatten() for v in vars(slots).values()))
    found = flat[places.clamp(min=0)]
    return dataclasses.replace(found, segment=found.segment.where(places >= 0, -1))


def _ends(segment: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last segment of each block [R, blocks]; empty ones have none."""
    blocks = segment.unflatten(1, (-1, BLOCK))
    none = torch.iinfo(segment.dtype).max
    return blocks.where(blocks >= 0, none).amin(-1), blocks.amax(-1)


def _listed(some: Tensor) -> tuple[Tensor, Tensor]:
    """Return int32 counts [..., Q] and the True columns first, in order [..., Q, K]."""
    order = some.to(torch.int8).sort(dim=-1, descending=True, stable=True).indices
    return some.sum(-1).to(torch.int32), order.to(torch.int32).contiguous()
