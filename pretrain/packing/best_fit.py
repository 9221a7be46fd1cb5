"""Our packer: any number of examples in a row, both sides filled at once, from a window of waiting examples.

Unusual: a row begins with the example that waited longest, so nothing is put off for ever. While it has room
it takes those that leave encoder and decoder room in the proportion in which the window needs them; its last
part is filled exactly, by dynamic programming over the side that is scarcer. Where both limits bind alike no
choice fills both: give the side that binds less a sixth more room than it needs (docs/training.md).
"""

from collections.abc import Sequence

import numpy as np

from pretrain.errors import TrainingError
from pretrain.packing.packer import Lengths, Limits, Packing

_EXACT_FROM = 0.6
"""Part of the scarcer side's room that is left when a row's rest is filled exactly."""
_CANDIDATES = 48
"""The most examples among which the exact rest is chosen."""


class BestFitPacker:
    """Fill rows from a window of waiting examples.

    >>> BestFitPacker(Limits(10, 10), window=4).pack([(6, 3), (7, 3), (3, 3), (2, 1), (2, 2)]).rows
    [[0, 4, 3], [1, 2]]
    """

    def __init__(self, limits: Limits | None = None, window: int = 128, flush: bool = True):
        """
        Arguments
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
            row = _row(sizes[waiting], limits)
            packing.rows.append(waiting[row].tolist())
            waiting = np.concatenate([np.delete(waiting, row), stream[: len(row)]])
            stream = stream[len(row) :]
        packing.waiting = waiting.tolist()
        return packing


def _row(sizes: np.ndarray, limits: np.ndarray) -> list[int]:
    """Choose the members of a row, the first of sizes [n, 2] among them."""
    need = np.maximum(sizes.mean(0), 1e-9)  # per example, of each side
    scarce = int(np.argmax(need / limits))
    row, room = [0], limits - sizes[0]
    free = np.ones(len(sizes), bool)
    free[0] = False
    while len(fitting := np.flatnonzero(free & (sizes <= room).all(1))):
        left = (room - sizes[fitting]) / need
        uneven = np.abs(left[:, 0] - left[:, 1])
        if room[scarce] > _EXACT_FROM * limits[scarce]:
            chosen = fitting[[np.argmin(uneven)]]
        else:
            half = _CANDIDATES // 2
            among = np.unique([*fitting[:half], *fitting[np.argsort(uneven, kind="stable")[:half]]])
            chosen = among[_fullest(sizes[among], room, scarce)]
        row += chosen.tolist()
        free[chosen] = False
        room = room - sizes[chosen].sum(0)
    return row


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
