"""Texts that are mended or continued: token ids in, those shown and those to be written out.

Markers of other inputs are never cut out: where one stands inside a span, there are two spans. Rates and
spans: `pretrain.denoisers`.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.denoisers.objectives import TextObjective
from pretrain.denoisers.spans import corrupt, draw_noise, span_counts
from pretrain.samples.context import Context


@dataclass(frozen=True)
class Denoised:
    """A text taken in two, both int64 ids."""

    text: np.ndarray
    """What is shown."""
    target: np.ndarray
    """What is to be written."""
    paradigm: str


def ids_of(text: str, context: Context) -> np.ndarray:
    """Return the int64 ids of a text."""
    return np.array(context.tokenizer.encode(text), np.int64)


def corrupted(
    ids: np.ndarray, rng: np.random.Generator, objective: TextObjective, context: Context, before: int = 0
) -> Denoised | None:
    """Cut spans out of a text, of its first tokens where it is too long; the `before` first ones are shown
    whole. None where fewer than two tokens are left to cut from.
    """
    vocabulary = context.tokenizer.vocabulary
    free = (ids < vocabulary.pieces) & (np.arange(len(ids)) >= before)
    room = context.text_room - np.count_nonzero(~free)  # one more sentinel for each marker, at most
    allowed = longest(objective, room - _inner_markers(free), context.answer_room - _inner_markers(free))
    places = np.flatnonzero(free)[:allowed]
    if len(places) < 2:
        return None
    if np.count_nonzero(free) > len(places):
        ids, free = ids[: places[-1] + 1], free[: places[-1] + 1]
    noise = np.zeros(len(ids), bool)
    noise[places] = draw_noise(len(places), objective.density, objective.mean_span, rng)
    shown, target = corrupt(ids[before:], noise[before:], vocabulary.extra_id(0))
    return Denoised(np.concatenate([ids[:before], shown]), target, objective.paradigm)


def continued(
    ids: np.ndarray, rng: np.random.Generator, context: Context, late: bool = False
) -> Denoised | None:
    """Cut a text in two at a place drawn uniformly, or (`late`) before its last quarter; of a long text the
    first tokens are taken. None for fewer than two tokens.
    """
    room, answer = context.text_room, context.answer_room
    ids = ids[: room + answer]
    first, last = max(1, len(ids) - answer), min(len(ids) - 1, room)
    if last < first:
        return None
    cut = round(len(ids) * 0.75) if late else int(rng.integers(first, last + 1))
    cut = min(max(cut, first), last)
    return Denoised(ids[:cut], ids[cut:], "S")


def longest(objective: TextObjective, shown: int, target: int) -> int:
    """Return the most tokens of which at most `shown` are shown and `target` written, sentinels included; 1
    where not even two fit.
    """

    def fits(length: int) -> bool:
        noise, spans = span_counts(length, objective.density, objective.mean_span)
        return length - noise + spans <= shown and noise + spans <= target

    low, high = 1, max(2, 2 * (shown + target))  # a text of `high` tokens does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _inner_markers(free: np.ndarray) -> int:
    """How many runs of markers stand between tokens that may be cut: each may split a span."""
    places = np.flatnonzero(free)
    return int(np.count_nonzero(np.diff(places) > 1))
