"""Numbers to examples: the record that a mixture draws, what is held back left out, what is damaged counted.

Unusual: an example is held back by what it holds (a digest of its content below the share), never by where it
stands. So what was validated on before is not trained on after its set has grown, shrunk, been cut into other
shards or named otherwise; the price is that a few examples are read in vain. In the place of such a one, or
of a damaged one, comes another of the same source, again a function of (seed, number): rates and order stay.

It refuses to know what is asked of a record.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pretrain.errors import TrainingError
from pretrain.mixture import Drawn, Mixture
from pretrain.order import permutation
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, Source
from uio2_agent.errors import RequestError

_ATTEMPTS = 1000
"""Records tried for one number."""


@dataclass(frozen=True)
class Fetched:
    """The record of a number, and what could not be read on the way."""

    number: int
    drawn: Drawn
    record: Any
    """Or what was made of it."""
    skipped: tuple[str, ...] = ()
    """A line for each damaged record that this one replaces."""


class ExampleStream:
    """The training examples of a mixture, each by its number; a map-style dataset for any loader.

    Arguments:
        sources: those of the mixture, by name.
        held_back: share of the examples, 0 to 1, that is never given.
        make: makes what is wanted of a record, its source's name and a number; the record itself if None.
            What is decoded only here, and found damaged, counts like any other.
    """

    def __init__(
        self,
        mixture: Mixture,
        sources: Mapping[str, Source],
        held_back: float = 0.0,
        make: Callable[[Any, str, int], Any] | None = None,
    ):
        self.mixture = mixture
        self.sources = {name: sources[name] for name in mixture.lengths}
        self.held_back = held_back
        self._make = make

    def __getitem__(self, number: int) -> Fetched:
        """Return the example of a number: the same in whatever process, however often.

        Raises DatasetError when nothing of its source can be used.
        """
        skipped: list[str] = []
        name = self.mixture.draw(number).source
        attempts = min(_ATTEMPTS, len(self.sources[name]) + 1)
        for attempt in range(attempts):
            drawn = self.mixture.another(number, attempt) if attempt else self.mixture.draw(number)
            try:
                if not self._is_held_back(drawn):
                    return Fetched(number, drawn, self._made(drawn, number), tuple(skipped))
            except (BadRecord, RequestError) as error:
                skipped.append(f"{name}: {error}")
        told = f"the first damaged one: {skipped[0]}" if skipped else f"{self.held_back:.0%} are held back"
        raise DatasetError(
            f"source {name}: none of {attempts} examples tried for number {number} can be used "
            f"({told}): look at its data"
        )

    def held(self, name: str, count: int) -> list[Fetched]:
        """Return the first `count` examples of a source that are held back, in an order of their own; fewer
        where there are fewer. Reads about count / held_back records.
        """
        count_of_all = len(self.sources[name])
        order = permutation(count_of_all, "held back", self.mixture.seed, name)
        found: list[Fetched] = []
        skipped: list[str] = []
        for place in range(count_of_all if self.held_back else 0):
            if len(found) == count:
                break
            drawn = Drawn(name, order(place), 0)
            try:
                if self._is_held_back(drawn):
                    found.append(Fetched(place, drawn, self._made(drawn, place), tuple(skipped)))
                    skipped.clear()
            except (BadRecord, RequestError) as error:
                skipped.append(f"{name}: {error}")
        return found

    def _is_held_back(self, drawn: Drawn) -> bool:
        if not self.held_back:
            return False
        return is_held_back(self.sources[drawn.source].key(drawn.index), self.held_back)

    def _made(self, drawn: Drawn, number: int) -> Any:
        record = self.sources[drawn.source][drawn.index]
        return record if self._make is None else self._make(record, drawn.source, number)


def is_held_back(key: str, share: float) -> bool:
    """Return whether an example of this key is held back: such a share of all keys are."""
    return int(key[:12], 16) < share * 16**12


class BadRecords:
    """The damaged records that a run has met: each named and counted once, up to a limit.

    Raises TrainingError from `add` when there are more than `limit`.
    """

    def __init__(self, limit: int, seen: Iterable[str] = ()):
        self.limit = limit
        self.seen = list(dict.fromkeys(seen))
        """A line for each, in the order met; what a checkpoint keeps."""

    def __len__(self) -> int:
        return len(self.seen)

    def add(self, skipped: Iterable[str]) -> list[str]:
        """Count what was skipped; return the lines of those that are new, to be logged."""
        new = [line for line in dict.fromkeys(skipped) if line not in self.seen]
        self.seen += new
        if len(self.seen) > self.limit:
            raise TrainingError(
                f"{len(self.seen)} damaged examples, more than bad_records={self.limit}; the last: "
                f"{self.seen[-1]}"
            )
        return new
