"""Our packer: any number of examples in a row, both sides filled at once, from a window of waiting examples.

Unusual: the whole window is packed at each round, and only its fullest rows close, those of half of the
examples; the rest is packed again with what came, so that the poor rows at the end of a packing are never
used before the stream ends. The row of the one that waits longest closes too: nothing is put off for ever.
Two plans are made and the one of fewer rows taken: pairs for rows of few examples, sums for rows of many.
Where many examples are longer than half a row no plan fills rows (`pretrain.packing.bound`).
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pretrain.errors import TrainingError
from pretrain.packing.packer import Lengths, Limits, Packing

_PAIRED = 64
"""The most examples of which all pairs are tried."""
_EXACT_FROM = 0.6
"""Part of the scarcer side's room that is left when a row's rest is filled exactly."""
_CANDIDATES = 48
"""The most examples among which the exact rest is chosen."""

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Examples [k] that each fit into room [2] -> positions in them of those that are taken, one or more."""


class BestFitPacker:
    """Fill rows from a window of waiting examples.

    >>> BestFitPacker(Limits(10, 10), window=4).pack([(6, 3), (7, 3), (3, 3), (2, 1), (2, 2)]).rows
    [[1, 2], [0, 3, 4]]
    """

    def __init__(self, limits: Limits | None = None, window: int = 256, flush: bool = True):
        """
        Arguments:
            window: the most examples a row is chosen from.
            flush: close all rows; without it the last examples, fewer than a window, are left waiting.
        """
        if window < 1:
            raise TrainingError(f"window={window} is not possible: a row is chosen from 1 example or more")
        self.limits, self.window, self.flush = limits or Limits(), window, flush

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Return rows in the order in which they close."""
        sizes = np.asarray(lengths, np.int64).reshape(-1, 2)
        limits = np.array([self.limits.encoder, self.limits.decoder])
        fits = (sizes <= limits).all(1)
        packing = Packing(refused=np.flatnonzero(~fits).tolist())
        stream = np.flatnonzero(fits)
        waiting, stream = stream[: self.window], stream[self.window :]
        while len(waiting) and (self.flush or len(waiting) == self.window):
            rows = _fewest(sizes[waiting], limits)
            if len(stream) or not self.flush:
                rows = _closing(rows, sizes[waiting] / limits)
            packing.rows += [waiting[row].tolist() for row in rows]
            closed = [place for row in rows for place in row]
            waiting = np.concatenate([np.delete(waiting, closed), stream[: len(closed)]])
            stream = stream[len(closed) :]
        packing.waiting = waiting.tolist()
        return packing


def _closing(rows: list[list[int]], shares: np.ndarray) -> list[list[int]]:
    """Choose the row of example 0 and then the fullest, until half of the examples are in them."""
    rows = sorted(rows, key=lambda row: (0 not in row, -shares[row].sum(0).max()))
    before = np.cumsum([0, *map(len, rows)])[:-1]
    return [row for row, count in zip(rows, before.tolist(), strict=True) if 2 * count < len(shares)]


def _fewest(sizes: np.ndarray, limits: np.ndarray) -> list[list[int]]:
    """Pack all of sizes [n, 2] twice and return the plan of fewer rows."""
    shares = sizes / limits
    use = np.maximum(shares.mean(0), 1e-9)
    worth = (shares**2 * use).sum(1)
    plans = (
        _plan(sizes, limits, shares.max(1), partial(_best_pair, sizes, worth)),
        _plan(sizes, limits, shares[:, use.argmax()], partial(_exact_rest, sizes, limits, use * limits)),
    )
    return min(plans, key=len)


def _plan(sizes: np.ndarray, limits: np.ndarray, rank: np.ndarray, fill: Fill) -> list[list[int]]:
    """Begin each row with the example of the highest rank [n] that is left, and fill it."""
    left = np.argsort(-rank, kind="stable")
    rows = []
    while len(left):
        row, left = [int(left[0])], left[1:]
        room = limits - sizes[row[0]]
        while len(fitting := np.flatnonzero((sizes[left] <= room).all(1))):
            chosen = fitting[fill(left[fitting], room)]
            row += left[chosen].tolist()
            room = room - sizes[left[chosen]].sum(0)
            left = np.delete(left, chosen)
        rows.append(row)
    return rows


def _best_pair(sizes: np.ndarray, worth: np.ndarray, among: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Choose the two, or the one, of most worth [n]; of many the best and some of all others are tried."""
    order = np.argsort(-worth[among], kind="stable")
    if len(order) > _PAIRED:
        half = _PAIRED // 2
        order = np.concatenate([order[:half], order[np.linspace(half, len(order) - 1, half).astype(int)]])
    value, taken = worth[among[order]], sizes[among[order]]
    fits = (taken[:, None] + taken <= room).all(-1)
    np.fill_diagonal(fits, False)
    of_two = np.where(fits, value[:, None] + value, -1)
    best = int(of_two.argmax())
    return order[list(divmod(best, len(order)))] if of_two.flat[best] >= value[0] else order[:1]


def _exact_rest(
    sizes: np.ndarray, limits: np.ndarray, need: np.ndarray, among: np.ndarray, room: np.ndarray
) -> np.ndarray:
    """Choose one that leaves both sides room in proportion to their need [2]; at the end of a row those that
    fill the scarcer side best.
    """
    scarce = int(np.argmax(need / limits))
    left = (room - sizes[among]) / need
    uneven = np.abs(left[:, 0] - left[:, 1])
    if room[scarce] > _EXACT_FROM * limits[scarce]:
        return np.array([np.argmin(uneven)])
    half = _CANDIDATES // 2
    tried = np.unique([*range(min(half, len(among))), *np.argsort(uneven, kind="stable")[:half]])
    return tried[_fullest(sizes[among[tried]], room, scarce)]


def _fullest(sizes: np.ndarray, room: np.ndarray, side: int) -> list[int]:
    """Choose, of examples that each fit, those that together take most of `side`, and of such choices the one
    that takes least of the other side; one of them at least.
    """
    most, other = int(room[side]), int(room[1 - side])
    least = np.full(most + 1, np.iinfo(np.int64).max // 2)  # of the other side, by what is taken of this one
    least[0] = 0
    takes = np.zeros((len(sizes), most + 1), bool)
    for number, (length, cost) in enumerate(sizes[:, [side, 1 - side]].tolist()):
        without = least[length:]
        takes[number, length:] = least[: most + 1 - length] + cost < without
        least[length:] = np.where(takes[number, length:], least[: most + 1 - length] + cost, without)
    taken = int(np.flatnonzero(least <= other)[-1])
    chosen = []
    for number in reversed(range(len(sizes))):
        if takes[number, taken]:
            chosen.append(number)
            taken -= int(sizes[number, side])
    return chosen or [0]  # what takes nothing of this side costs nothing
