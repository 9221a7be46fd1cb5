"""What is asked of a text: mend what was cut out of it, or go on with it; and how often.

R cuts few and short spans, X many or long ones, S cuts the text in two. Source: UL2 (arXiv 2205.05131), table
1, which Unified-IO 2 (arXiv 2312.17172) follows without saying rates; a third for each paradigm, the same for
each objective of one, is ours.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range, check_fields

Paradigm = Literal["R", "S", "X"]


@dataclass(frozen=True)
class TextObjective:
    """One way to take a text apart."""

    name: Annotated[str, Range(1, 40)]
    paradigm: Paradigm
    share: Annotated[float, Range(0, 1_000_000)]
    """How often it is drawn, beside the shares of the others."""
    density: Annotated[float, Range(0, 1)] = 0.15
    """Share of tokens that are cut out; unread for S."""
    mean_span: Annotated[float, Range(1, 10_000)] = 3.0
    """Tokens of a cut run, in the mean; unread for S."""

    def __post_init__(self) -> None:
        check_fields(self)


UL2 = (
    TextObjective("R1", "R", 1 / 6, 0.15, 3),
    TextObjective("R2", "R", 1 / 6, 0.15, 8),
    TextObjective("S", "S", 1 / 3),
    TextObjective("X1", "X", 1 / 12, 0.5, 3),
    TextObjective("X2", "X", 1 / 12, 0.5, 8),
    TextObjective("X3", "X", 1 / 12, 0.15, 64),
    TextObjective("X4", "X", 1 / 12, 0.5, 64),
)


@dataclass(frozen=True, kw_only=True)
class TextMixture:
    """The objectives of a text and how they are drawn.

    >>> TextMixture().draw(np.random.default_rng(0), ("S",)).name
    'S'
    """

    objectives: Annotated[tuple[TextObjective, ...], Range(1, 100)] = UL2
    late_cut: bool = False
    """S goes on with the last quarter of a text; off, with what follows a place drawn anywhere."""

    def __post_init__(self) -> None:
        check_fields(self)
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise UIO2Error(f"objectives={names} is not possible: a name stands there more than once")
        if not sum(objective.share for objective in self.objectives) > 0:
            raise UIO2Error("objectives is not possible: each has share 0, so that none can be drawn")

    def draw(self, rng: np.random.Generator, among: Collection[Paradigm] = ("R", "S", "X")) -> TextObjective:
        """Draw an objective of some paradigms in proportion to the shares.

        Raises UIO2Error where these have no share.
        """
        known = [objective for objective in self.objectives if objective.paradigm in among]
        total = sum(objective.share for objective in known)
        if not total > 0:
            raise UIO2Error(f"no objective of {', '.join(among)} has a share above 0: give one")
        left = rng.random() * total
        for objective in known:
            left -= objective.share
            if left < 0:
                break
        return objective
