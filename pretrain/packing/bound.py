"""How full rows can be at all: the fewest rows that examples of given lengths need, whoever packs them.

Two examples that are each longer than half a row never share one, and beside one that leaves no more than `a`
only examples shorter than `a` have room. Source: Martello and Toth, Discrete Applied Mathematics 28 (1990),
59–70, their bound L2, for each side by itself; the larger of both holds for both.
"""

from collections.abc import Sequence

import numpy as np

from pretrain.packing.packer import Lengths, Limits


def least_rows(lengths: Sequence[Lengths], limits: Limits) -> int:
    """Return a number of rows that no packing of these examples, each of which fits a row, is below."""
    sizes = np.asarray(lengths, np.int64).reshape(-1, 2)
    sides = zip(sizes.T, (limits.encoder, limits.decoder), strict=True)
    return max(_least(np.sort(side), limit) for side, limit in sides)


def _least(ordered: np.ndarray, limit: int) -> int:
    """The bound of one side, of lengths in ascending order."""
    summed = np.concatenate([[0], np.cumsum(ordered)])
    first_long = int(np.searchsorted(ordered, limit / 2, "right"))
    least = 0
    for shortest in np.unique([0, *ordered[:first_long]]).tolist():
        first = int(np.searchsorted(ordered, shortest))  # shorter ones are left out
        alone = int(np.searchsorted(ordered, limit - shortest, "right"))  # beside these none of them has room
        rows = len(ordered) - first_long
        beside = (alone - first_long) * limit - (summed[alone] - summed[first_long])
        over = int(summed[first_long] - summed[first] - beside)
        least = max(least, rows + max(0, -(-over // limit)))
    return least
