"""What a text has said already, made less likely to be said again, and texts that go in circles.

The penalty of Keskar et al. 2019 (section 4.1) and the ban of repeated n-grams are the usual rules, as in the
generator behind the official port. Unusual: each row is judged by its own tokens, so rows may be at different
positions. Knows token ids only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uio2_agent.errors import RequestError

_LONGEST = 16
"""Most tokens of a run that a text is said to repeat."""


@dataclass(frozen=True)
class Repetition:
    """A logits processor; the defaults change nothing."""

    penalty: float = 1.0
    """Scores of tokens that were said are divided by this where positive, multiplied where negative."""
    ngram: int = 0
    """A token that would complete a run of this length that was there before is ruled out; 0 is no rule."""

    def __post_init__(self) -> None:
        if not 0 < self.penalty < float("inf") or self.ngram < 0:
            raise RequestError(
                f"repetition_penalty={self.penalty}, no_repeat_ngram_size={self.ngram}: the first is above 0 "
                "(1 changes nothing), the second at least 0"
            )

    @property
    def acts(self) -> bool:
        """Whether anything is changed."""
        return self.penalty != 1 or self.ngram > 0

    def __call__(self, scores: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Return new scores [B, V], given each row's tokens so far."""
        changed = scores.clone()
        for row, said in enumerate(tokens):
            if said and self.penalty != 1:
                known = torch.tensor(sorted(set(said)), device=scores.device)
                value = changed[row, known]
                changed[row, known] = torch.where(value < 0, value * self.penalty, value / self.penalty)
            if banned := self._banned(said):
                changed[row, banned] = -torch.inf
        return changed

    def _banned(self, said: Sequence[int]) -> list[int]:
        """Return the tokens that would complete a run once more."""
        before = self.ngram - 1
        if before < 0 or len(said) <= before:
            return []
        last = tuple(said[len(said) - before :])
        starts = range(len(said) - before)
        return sorted({said[at + before] for at in starts if tuple(said[at : at + before]) == last})


def goes_in_circles(said: Sequence[int], times: int) -> bool:
    """Return whether the last tokens are one run of at most 16, that many times over."""
    for length in range(1, min(_LONGEST, len(said) // times) + 1):
        last = said[len(said) - length * times :]
        if list(last) == list(last[:length]) * times:
            return True
    return False
