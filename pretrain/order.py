"""Orders that are functions: the place of every example of every epoch, computed alone and in no time.

Nothing is shuffled and no position is kept. A permutation of n numbers is a small cipher: the number is split
into two halves of bits that are mixed into each other in turn under a key (a Feistel network), again until
the result is below n (cycle-walking; twice on average at most, but for tiny n). So example a million of epoch
seven costs what the first one costs, and every process may ask for any of them.

It refuses to know sources and rates. Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002).
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

_ROUNDS = 6
_FEWEST_BITS = 8
"""With fewer, halves are so small that some permutations are much likelier than others."""
_WORD = (1 << 64) - 1
_Item = TypeVar("_Item")


def key_of(*parts: int | str) -> int:
    """Return 64 bits that depend on every part, and on their order and types.

    >>> key_of(0, "a") != key_of("0", "a")
    True
    """
    text = "\0".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mixed(value: int) -> int:
    """Return 64 bits that look like none of the value's (the finaliser of splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)


def _hashed(value: int) -> int:
    """Return 32 bits of a 64-bit value: what a round of the network needs, at half the cost of `mixed`."""
    value = (value * 0xBF58476D1CE4E5B9) & _WORD
    return (((value ^ (value >> 29)) * 0x94D049BB133111EB) & _WORD) >> 32


class Permutation:
    """A permutation of 0 … size − 1 that belongs to a key.

    >>> sorted(Permutation(5, key=1)(place) for place in range(5))
    [0, 1, 2, 3, 4]
    """

    def __init__(self, size: int, key: int):
        if size < 1:
            raise ValueError(f"a permutation of {size} numbers")
        bits = max(_FEWEST_BITS, (size - 1).bit_length())
        self.size = size
        self._right = bits // 2
        self._masks = ((1 << (bits - self._right)) - 1, (1 << self._right) - 1)
        keys = [mixed(key ^ mixed(number)) for number in range(_ROUNDS)]
        self._keys = list(zip(keys[::2], keys[1::2], strict=True))

    def __call__(self, place: int) -> int:
        """Return the number at a place of 0 … size − 1."""
        value = place
        while True:
            value = self._once(value)
            if value < self.size:
                return value

    def _once(self, value: int) -> int:
        left_mask, right_mask = self._masks
        left, right = value >> self._right, value & right_mask
        for one, other in self._keys:
            left ^= _hashed(right ^ one) & left_mask
            right ^= _hashed(left ^ other) & right_mask
        return (left << self._right) | right


@lru_cache(maxsize=4096)
def permutation(size: int, *parts: int | str) -> Permutation:
    """Return the permutation that belongs to `key_of(*parts)`; making one costs more than asking it."""
    return Permutation(size, key_of(*parts))


def scattered(size: int, *parts: int | str) -> np.ndarray:
    """Return a whole permutation of 0 … size − 1 that belongs to `key_of(*parts)`, int64 [size].

    It is another one than `permutation`'s: numbers sorted by their mixed values, for when all are needed.
    """
    values = np.arange(size, dtype=np.uint64) + np.uint64(key_of(*parts))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return np.argsort(values, kind="stable")


def step_numbers(step: int, batch_size: int) -> range:
    """Return the numbers of the examples of a step's global batch: the same whoever computes them."""
    return range(step * batch_size, (step + 1) * batch_size)


def share(items: Sequence[_Item], process: int, processes: int) -> Sequence[_Item]:
    """Return the items of one of several processes, every so-manieth: all together have each item once.

    >>> [share(range(7), process, 3) for process in range(3)]
    [range(0, 7, 3), range(1, 7, 3), range(2, 7, 3)]
    """
    if not 0 <= process < processes:
        raise ValueError(f"process {process} of {processes}")
    return items[process::processes]
