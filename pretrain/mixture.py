"""Several sources as one endless stream whose every example is a function of (seed, number).

Unusual, and the whole point: nothing is drawn one after the other. Numbers come in *cycles* of some thousand;
in each cycle a source has a fixed count of places, scattered by a key. Counts are differences of cumulated
rates rounded down, so that after any number of cycles no source is off its rate by as much as one example,
and how often a source came before a cycle is known at once, without counting. With it the source's epoch and
the place in it are known, and that epoch's permutation gives the index. Only the places of a cycle are a
table, made when one of them is asked for.

A source with a limit leaves when it has given that many examples; the others share its place from then on.
Until then runs a *phase*, whose last cycle is as short as it must be. Phases are computed once.

It refuses to know what sources hold: only their names and lengths.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from pretrain.order import permutation, scattered
from pretrain.sources.schema import DatasetError
from uio2_agent.errors import did_you_mean, offered

_SCALE = 1 << 40
"""Rates become whole numbers of this denominator: sums of them are exact."""
_SHORTEST_CYCLE = 1024
_PLACES = 4
"""Least places of a source in a cycle."""
_KEPT = 8
"""Cycles whose places stay in memory."""


class Drawn(NamedTuple):
    """Which example has a number."""

    source: str
    index: int
    """In the source, from 0."""
    epoch: int
    """How often all of the source came before."""


@dataclass(frozen=True)
class Limit:
    """The most that a source may give: examples, or rounds of it; the smaller counts."""

    examples: int | None = None
    epochs: float | None = None

    def of(self, length: int) -> int | None:
        """Return the most examples of a source of this length; None for no end."""
        found = [] if self.examples is None else [int(self.examples)]
        found += [] if self.epochs is None else [int(self.epochs * length)]
        return min(found, default=None)


@dataclass(frozen=True)
class _Phase:
    """A stretch of numbers in which the same sources take part, with the same weights."""

    first: int
    """Its first number."""
    cycles: int | None
    """Whole cycles; None for no end."""
    names: tuple[str, ...]
    cumulated: tuple[int, ...]
    """Weights of the sources up to each, whole numbers."""
    before: Mapping[str, int]
    """Examples that each source gave before this phase."""
    rest: tuple[int, ...] = ()
    """Counts of the sources in the short cycle at the end."""


class Mixture:
    """Examples of several sources at given rates.

    Arguments:
        lengths: name to number of examples.
        rates: name to share, of any sum; sources that have none are left out, names that are no source too.
        seed: of the order.
        temperature: rates are raised to 1 / temperature: 1 leaves them, larger ones make them more equal.
        limits: name to the most that a source may give.

    Raises DatasetError when no source has a rate, a rate or the temperature is not above 0, or a limit is of
    no source.
    """

    def __init__(
        self,
        lengths: Mapping[str, int],
        rates: Mapping[str, float],
        seed: int,
        temperature: float = 1.0,
        limits: Mapping[str, Limit] | None = None,
    ):
        limits = dict(limits or {})
        if not temperature > 0:
            raise DatasetError(f"a mixture's temperature is {temperature}: give one above 0")
        if wrong := [name for name, rate in rates.items() if not 0 < rate < float("inf")]:
            raise DatasetError(
                f"the rate of {wrong[0]} is {rates[wrong[0]]}: give one above 0, or leave it out"
            )
        self.lengths = {name: length for name, length in lengths.items() if name in rates}
        if not self.lengths:
            raise DatasetError(
                f"no source has a rate: there are {offered('', lengths)}, rates of {list(rates)}"
            )
        if empty := [name for name, length in self.lengths.items() if length < 1]:
            raise DatasetError(f"source {empty[0]} holds no examples: fill it or leave it out")
        if unknown := [name for name in limits if name not in self.lengths]:
            meant = did_you_mean(unknown[0], self.lengths)
            raise DatasetError(f"a limit for {unknown[0]!r}, which is no source of the mixture{meant}")
        raised = {name: rates[name] ** (1 / temperature) for name in self.lengths}
        whole = sum(raised.values())
        self.rates = {name: rate / whole for name, rate in raised.items()}
        """Name to share; their sum is 1."""
        self.seed = seed
        self._weights = {name: max(1, round(rate * _SCALE)) for name, rate in self.rates.items()}
        self.most = {
            name: most for name, limit in limits.items() if (most := limit.of(lengths[name])) is not None
        }
        if not any(self.most.get(name, 1) for name in self.lengths):
            raise DatasetError(f"the limits leave nothing of any source: {self.most}; raise one")
        least = min(self._weights.values())
        self._cycle = max(_SHORTEST_CYCLE, _PLACES * -(-sum(self._weights.values()) // least))
        self._kept: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._phases = self._planned()
        self._firsts = [phase.first for phase in self._phases]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}

    @property
    def length(self) -> int | None:
        """Number of examples there are; None without an end."""
        last = self._phases[-1]
        if last.cycles is None:
            return None
        return last.first + last.cycles * self._cycle + sum(last.rest)

    def draw(self, number: int) -> Drawn:
        """Return the example of a number from 0; IndexError after the end of a mixture that has one."""
        if number < 0 or (self.length is not None and number >= self.length):
            raise IndexError(f"example {number} of a mixture that its limits end after {self.length}")
        at = bisect_right(self._firsts, number) - 1
        phase = self._phases[at]
        cycle, place = divmod(number - phase.first, self._cycle)
        if phase.cycles is not None and cycle > phase.cycles:  # the short one may be the longer of two
            cycle, place = phase.cycles, number - phase.first - phase.cycles * self._cycle
        which, given = self._places(at, cycle)
        name = phase.names[which[place]]
        length = self.lengths[name]
        epoch, rank = divmod(int(given[place]), length)
        return Drawn(name, permutation(length, "epoch", self.seed, name, epoch)(rank), epoch)

    def another(self, number: int, attempt: int) -> Drawn:
        """Return what takes the place of a number's example when that cannot be used: another of the same
        source, a function of (seed, number, attempt from 1) like everything here.
        """
        name, _, epoch = self.draw(number)
        length = self.lengths[name]
        index = permutation(length, "instead", self.seed, name, number)(attempt % length)
        return Drawn(name, index, epoch)

    def _cumulated(self, phase: _Phase, cycle: int) -> list[int]:
        """Places of the sources up to each in the first so many cycles of a phase."""
        whole = phase.cumulated[-1]
        return [cycle * self._cycle * weight // whole for weight in phase.cumulated]

    def _counts(self, phase: _Phase, cycle: int) -> list[int]:
        """Places of each source in the first so many cycles of a phase."""
        return _differences(self._cumulated(phase, cycle))

    def _places(self, at: int, cycle: int) -> tuple[np.ndarray, np.ndarray]:
        """Return of each place of a phase's cycle the source, by its number in the phase, and how many
        examples that one gave before; int64 [places] both.
        """
        if (at, cycle) not in self._kept:
            phase = self._phases[at]
            before = self._counts(phase, cycle)
            after = self._counts(phase, cycle + 1)
            counts = [then - now for now, then in zip(before, after, strict=True)]
            counts = list(phase.rest) if cycle == phase.cycles else counts
            which = np.repeat(np.arange(len(counts)), counts)[
                scattered(sum(counts), "cycle", self.seed, at, cycle)
            ]
            given = np.empty(len(which), np.int64)
            for number, name in enumerate(phase.names):
                given[which == number] = phase.before[name] + before[number] + np.arange(counts[number])
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[at, cycle] = which, given
        return self._kept[at, cycle]

    def _planned(self) -> list[_Phase]:
        given = dict.fromkeys(self.lengths, 0)
        left = {name: most for name, most in self.most.items()}
        phases: list[_Phase] = []
        first = 0
        while names := tuple(name for name in self.lengths if left.get(name, 1) > 0):
            cumulated = tuple(accumulate(self._weights[name] for name in names))
            phase = _Phase(first, None, names, cumulated, dict(given))
            limited = [name for name in names if name in left]
            if not limited:
                return [*phases, phase]
            cycles = self._whole_cycles(phase, left)
            counts = dict(zip(names, self._counts(phase, cycles), strict=True))
            rest = self._rest(phase, {name: left[name] - counts[name] for name in limited})
            phases.append(_Phase(first, cycles, names, cumulated, dict(given), tuple(rest)))
            first += cycles * self._cycle + sum(rest)
            for name, short in zip(names, rest, strict=True):
                given[name] += counts[name] + short
                if name in left:
                    left[name] -= counts[name] + short
        return phases

    def _whole_cycles(self, phase: _Phase, left: Mapping[str, int]) -> int:
        """Most whole cycles after which no source has given more than is left of it."""

        def fits(cycles: int) -> bool:
            counts = zip(phase.names, self._counts(phase, cycles), strict=True)
            return all(count <= left.get(name, count) for name, count in counts)

        low, high = 0, 1
        while fits(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def _rest(self, phase: _Phase, left: Mapping[str, int]) -> list[int]:
        """Counts of the short cycle that ends a phase: what is left of the source that ends first, and of the
        others as much as their rates say.
        """
        first = min(left, key=lambda name: left[name] / self._weights[name])
        scale = left[first] / self._weights[first]
        wanted = {name: int(scale * self._weights[name]) for name in phase.names}
        wanted[first] = left[first]
        return [min(count, left.get(name, count)) for name, count in wanted.items()]


def _differences(values: list[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]
