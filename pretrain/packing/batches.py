"""The official assembly of batches under limits on what a batch holds in all.

Unusual: it is here because it is the released method (its aim: at most so many history frames a batch run
through the image encoder). Ours runs the frames that are there, however many, and needs no such limit. As in
the release, a new batch takes over a single one of the examples that wait, whatever else would fit.
"""

from collections.abc import Sequence


def constrained_batches(
    counts: Sequence[Sequence[int]], limits: Sequence[int], batch_size: int, pool: int
) -> list[list[int]]:
    """Return batches of example numbers, at most `batch_size` each, whose counts stay within the limits.

    Arguments:
        counts: of each example, what it adds to each limit.
        pool: number of waiting examples at which a batch is closed short.

    What waits when the examples end is left out, as officially.
    """
    batches: list[list[int]] = []
    batch: list[int] = []
    waiting: list[int] = []
    for number, added in enumerate(counts):
        held = [sum(counts[member][kind] for member in batch) for kind in range(len(limits))]
        if all(h + a <= limit for h, a, limit in zip(held, added, limits, strict=True)):
            batch.append(number)
        else:
            waiting.append(number)
        if len(batch) == batch_size or len(waiting) == pool:
            batches.append(batch)
            batch, waiting = waiting[:1], waiting[1:]
    return batches
