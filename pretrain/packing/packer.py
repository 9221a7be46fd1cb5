"""What every packer takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pretrain.errors import TrainingError

Lengths = tuple[int, int]
"""Tokens of an example in the encoder and in the decoder."""


@dataclass(frozen=True)
class Limits:
    """The most tokens of a row; the defaults are those of the paper's pre-training."""

    encoder: int = 864
    decoder: int = 1280

    def __post_init__(self) -> None:
        if min(self.encoder, self.decoder) < 1:
            raise TrainingError(
                f"rows of {self.encoder} encoder and {self.decoder} decoder tokens hold nothing: "
                "both must be 1 or more"
            )

    def fits(self, lengths: Lengths) -> bool:
        """Tell whether so many tokens fit into a row."""
        return lengths[0] <= self.encoder and lengths[1] <= self.decoder


@dataclass
class Packing:
    """Where examples went, by their numbers in the order handed in; every number stands in one list only."""

    rows: list[list[int]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    """Longer than a row by themselves."""
    waiting: list[int] = field(default_factory=list)
    """Not yet in a row; empty with `flush`."""

    @property
    def alone(self) -> int:
        """Number of rows that hold a single example."""
        return sum(len(row) == 1 for row in self.rows)

    def fill(self, lengths: Sequence[Lengths], limits: Limits) -> tuple[float, float]:
        """Return which part of the rows' encoder and decoder positions is taken."""
        taken = [sum(lengths[number][side] for row in self.rows for number in row) for side in (0, 1)]
        room = max(1, len(self.rows))
        return taken[0] / (room * limits.encoder), taken[1] / (room * limits.decoder)


class Packer(Protocol):
    """Decides which examples share a row. The same lengths give the same rows."""

    limits: Limits

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Pack examples of these lengths, in the order in which they came."""
        ...
