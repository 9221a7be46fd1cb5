"""What follows from the stages that are done: which weights each round began with, and which were kept.

The rule: a round's weights are kept if they solve at least as many validation episodes as the best so far;
else the next round begins from the best again, with everything that was collected. Test episodes decide
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ARMS = {"round": "improved", "control": "control"}
"""First part of a stage's name → what the arm is called."""
START = "start"
"""Stands for the weights that the loop began with."""
JUDGED = ("validation", "test")


@dataclass(frozen=True)
class Round:
    """A round that is over."""

    number: int
    began_with: str
    """The stage whose weights it began with, or `START`; so is the next."""
    weights: str
    validation: Mapping[str, Any]
    test: Mapping[str, Any]
    """Facts of the evaluations."""
    kept: bool
    best_number: int
    """The round whose weights are the best after it."""

    @property
    def best(self) -> str:
        """The weights to go on from."""
        return self.weights if self.kept else self.began_with

    def told(self) -> dict[str, Any]:
        """Return plain values for the record."""
        judged = {kind: getattr(self, kind)["rows"] for kind in JUDGED}
        return {
            "round": self.number,
            "began_with": self.began_with,
            "weights": self.weights,
            "kept": self.kept,
            "best": self.best,
            **judged,
        }


def finished(stages: Mapping[str, Mapping[str, Any]], arm: str) -> list[Round]:
    """Return the rounds of an arm (`ARMS`) that are over, round 0 first, which is the start's evaluation and
    the same for both.
    """
    rounds: list[Round] = []
    best = 0
    while all(stage(_arm(arm, len(rounds)), len(rounds), kind) in stages for kind in JUDGED):
        number = len(rounds)
        validation, test = (stages[stage(_arm(arm, number), number, kind)] for kind in JUDGED)
        solved = validation["rows"][-1]["successes"]
        before = rounds[-1].best if rounds else START
        weights = stage(arm, number, "train") if rounds else START
        kept = not rounds or solved >= best
        best_number = number if kept else rounds[-1].best_number
        rounds.append(Round(number, before, weights, validation, test, kept, best_number))
        best = max(best, solved)
    return rounds


def _arm(arm: str, number: int) -> str:
    return arm if number else "round"


def stage(arm: str, number: int, kind: str) -> str:
    """Return the name of a stage, which is its folder below the output."""
    return f"{arm}_{number}/{kind}"
