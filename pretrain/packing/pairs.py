"""The official streaming packer: at most two examples share a row.

Unusual: an example that is longer than a row is emitted alone, as the official rule has it; `refuse` (the
default) takes it out of the stream and counts it, because the official model then drops its last tokens.
The official rule also forgets what waits when the stream ends; `flush` emits it, the longest first.
"""

from collections.abc import Sequence

from pretrain.errors import TrainingError
from pretrain.packing.packer import Lengths, Limits, Packing


class PairPacker:
    """Join each new example with the longest that fits of a pool of waiting ones (arXiv 2312.17172, B.4).

    >>> PairPacker(Limits(10, 10)).pack([(6, 3), (7, 3), (3, 3)]).rows
    [[2, 1], [0]]
    """

    def __init__(self, limits: Limits | None = None, pool: int = 10, flush: bool = True, refuse: bool = True):
        """`pool`: the most examples that wait."""
        if pool < 1:
            raise TrainingError(f"pool={pool} is not possible: at least one example must wait")
        self.limits, self.pool = limits or Limits(), pool
        self.flush, self.refuse = flush, refuse

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Return pairs as (new, waiting), in the order of emission."""
        packing = Packing()
        slots: list[int | None] = [None] * self.pool

        def total(slot: int) -> int:
            return sum(lengths[slots[slot]])

        for number, (encoder, decoder) in enumerate(lengths):
            if self.refuse and not self.limits.fits((encoder, decoder)):
                packing.refused.append(number)
                continue
            taken = [slot for slot, waiting in enumerate(slots) if waiting is not None]
            partners = [
                slot
                for slot in taken
                if self.limits.fits((encoder + lengths[slots[slot]][0], decoder + lengths[slots[slot]][1]))
            ]
            if partners:
                slot = max(partners, key=total)
                packing.rows.append([number, slots[slot]])
                slots[slot] = None
            elif len(taken) < self.pool:
                slots[slots.index(None)] = number
            else:
                slot = max(taken, key=total)
                if encoder + decoder >= total(slot):
                    packing.rows.append([number])
                else:
                    packing.rows.append([slots[slot]])
                    slots[slot] = number
        left = sorted((number for number in slots if number is not None), key=lambda n: -sum(lengths[n]))
        if self.flush:
            packing.rows += [[number] for number in left]
        else:
            packing.waiting = sorted(left)
        return packing
