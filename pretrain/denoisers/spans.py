"""Span corruption: runs of tokens are cut out of a text, and written as the answer.

Unusual: the first token is never cut and the last always is, because clean and cut runs alternate and the
text starts with a clean one; counts of tokens and runs are the same for every draw. Knows no vocabulary but
the id of the first sentinel; sentinels count downwards. Ends of text are written by the processor.

Source: T5 (arXiv 1910.10683), section 3.1.4; rounding as its released code does.
"""

import numpy as np

from pretrain.errors import TrainingError


def span_counts(length: int, density: float, mean_span: float) -> tuple[int, int]:
    """Return how many of `length` >= 2 tokens are cut, and in how many runs: no more than clean tokens."""
    if length < 2:
        raise TrainingError(f"a text of {length} tokens cannot be corrupted: hand in 2 or more")
    noise = int(np.round(np.float32(length) * np.float32(density)))
    noise = min(max(noise, 1), length - 1)
    spans = max(1, int(np.round(np.float32(noise) / np.float32(mean_span))))
    return noise, min(spans, length - noise)


def span_lengths(inputs_length: int, density: float, mean_span: float) -> tuple[int, int]:
    """Return the longest raw text whose corrupted input has at most `inputs_length` tokens, and the length of
    its target; both counts of the corrupted text include the end.
    """
    raw = inputs_length - 1
    while _corrupted(raw + 1, density, mean_span)[0] <= inputs_length:
        raw += 1
    inputs, target = _corrupted(raw, density, mean_span)
    if density == 0.5 and target > inputs:  # as released, so that both have one length
        return raw - 1, target - 1
    return raw, target


def _corrupted(length: int, density: float, mean_span: float) -> tuple[int, int]:
    """Return the lengths of the corrupted input and of the target, each with a sentinel a run and the end."""
    noise = round(length * density)
    spans = round(noise / mean_span)
    return length - noise + spans + 1, noise + spans + 1


def draw_noise(length: int, density: float, mean_span: float, rng: np.random.Generator) -> np.ndarray:
    """Draw which tokens are cut, bool [length]: all ways to cut the counted runs are equally likely."""
    noise, spans = span_counts(length, density, mean_span)
    runs = np.stack(
        [_parts(length - noise, spans, rng), _parts(noise, spans, rng)], axis=1
    )  # clean, cut, ...
    return np.repeat(np.tile([False, True], spans), runs.reshape(-1))


def _parts(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` positive whole numbers that sum to `total`, uniformly."""
    cuts = np.sort(rng.permutation(total - 1)[: count - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


def corrupt(tokens: np.ndarray, noise: np.ndarray, first_sentinel: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the corrupted input and the target of token ids [L] whose cut ones are marked, bool [L].

    A sentinel stands for each cut run in the input, and for each clean run in the target.
    """
    return _with_sentinels(tokens, noise, first_sentinel), _with_sentinels(tokens, ~noise, first_sentinel)


def _with_sentinels(tokens: np.ndarray, gone: np.ndarray, first_sentinel: int) -> np.ndarray:
    first = gone & ~np.concatenate([[False], gone[:-1]])
    marked = np.where(first, first_sentinel + 1 - np.cumsum(first), tokens)
    return marked[first | ~gone]
