"""Several rows of a picture or a sound at a time. NOT exact: a row is drawn without the end of the one above.

A row begins as soon as the row above is `lead` tokens long, then all rows that have begun grow by a token a
call: (rows - 1) * lead + columns calls instead of rows * columns. What a token looks at are the tokens before
it in the raster, as ever, of those that are there. The method is ZipAR's (arXiv 2412.04062), it needs no
training; a lead of a whole row is the exact order.

Unusual: a row's first token follows the last one of the row above, which is not there yet. The last one
that is there stands for it, until it comes and is fed in its place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uio2_agent.generation.decoding import Decoder
from uio2_agent.generation.sampling import Chance, Sampling
from uio2_agent.generation.stepping import START

_ABSENT = -1


@dataclass(frozen=True)
class Drawing:
    """One answer in the making."""

    tokens: list[int]
    """What is there, in the order of the raster; gaps are left out, as is what follows the end token."""
    done: bool


def schedule(rows: int, columns: int, lead: int) -> Iterator[np.ndarray]:
    """Yield the places of the raster that each call draws, ascending.

    >>> [places.tolist() for places in schedule(2, 3, 2)]
    [[0], [1], [2, 3], [4], [5]]
    """
    for call in range((rows - 1) * lead + columns):
        row = np.arange(rows)
        column = call - row * lead
        begun = (column >= 0) & (column < columns)
        yield (row * columns + column)[begun]


def draw_rows(
    stepper: Decoder,
    *,
    grid: tuple[int, int],
    lead: int,
    end: int,
    sampling: Sampling,
    seeds: Sequence[int],
    allowed: Tensor,
) -> Iterator[list[Drawing]]:
    """Draw the pictures of a stepper's rows; yield what is there after each call.

    Arguments:
        grid: rows and columns of the raster.
        lead: tokens by which a row is ahead of the next, 1 to columns.
        end: the token that ends a picture where it is drawn.
        allowed: bool [V], tokens that exist.
    """
    tokens = np.full((stepper.rows, grid[0] * grid[1]), _ABSENT)
    ends = np.full(stepper.rows, tokens.shape[1])  # places from here on are not part of the picture
    chances = [Chance(seed) for seed in seeds]
    supposed: list[int] = []  # places that were fed something else than the token before them
    for places in schedule(*grid, lead):
        places = places[places < ends.max()]
        if not len(places):
            continue
        mended = [place for place in supposed if tokens[0, place - 1] != _ABSENT]
        supposed = [place for place in supposed if place not in mended]
        fed = np.union1d(places, np.array(mended, places.dtype))
        hidden = stepper(_before(tokens, fed), np.tile(fed, (stepper.rows, 1)))
        supposed += [place for place in places if place and tokens[0, place - 1] == _ABSENT]
        columns = torch.from_numpy(np.searchsorted(fed, places)).to(hidden.device)
        scores = stepper.logits(hidden[:, columns]).masked_fill(~allowed, -torch.inf)  # [B, places, V]
        tokens[:, places] = _chosen(scores, sampling, chances)
        for row, place in zip(*np.nonzero(tokens[:, places] == end), strict=True):
            ends[row] = min(ends[row], places[place] + 1)
        yield [_drawing(line[:last]) for line, last in zip(tokens, ends, strict=True)]


def _before(tokens: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return what precedes each place, int64 [B, places]: the last token before it that is there."""
    there = tokens[0] != _ABSENT
    last = np.maximum.accumulate(np.where(there, np.arange(len(there)), _ABSENT))
    source = np.where(places > 0, last[places - 1], _ABSENT)
    return np.where(source >= 0, tokens[:, source], START)


def _chosen(scores: Tensor, sampling: Sampling, chances: Sequence[Chance]) -> np.ndarray:
    """Choose tokens [B, places] from scores [B, places, V]."""
    noise: list[Tensor | None] = []
    for chance in chances:
        for _ in range(scores.shape[1]):
            noise.append(chance.line(0, scores.shape[-1]) if sampling.draws else None)
            chance.use()
    return np.array(sampling.choose(scores.flatten(0, 1), noise)).reshape(scores.shape[:2])


def _drawing(line: np.ndarray) -> Drawing:
    return Drawing(line[line != _ABSENT].tolist(), bool((line != _ABSENT).all()))
