"""How the next token is chosen from its logits: greedy, or drawn after temperature, top-k and top-p.

Unusual: every row draws with a chance of its own, in float64 on the CPU, so a row's tokens do not depend on
what it is batched with. The chance of a choice is noise that is there before its scores are: who guesses
ahead can use the noise of the place, and guesses what will be chosen if the scores are right. The order
(temperature, top-k, top-p) is that of the official port.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uio2_agent.errors import RequestError

_NUCLEUS = 1_024
"""This many of the likeliest tokens are sorted first to find a nucleus, which most often is among them."""


class Chance:
    """Noise for the choices of one answer, in their order: exponential draws, one for each token.

    The token of the largest probability / noise is drawn with its probability (the exponential race, which
    is `torch.multinomial`'s own way for one draw).
    """

    def __init__(self, seed: int):
        self._generator = torch.Generator().manual_seed(seed)
        self._lines: deque[Tensor] = deque()

    def line(self, ahead: int, tokens: int) -> Tensor:
        """Return the noise float64 [tokens] of the next choice, or of one that many choices later."""
        while len(self._lines) <= ahead:
            self._lines.append(
                torch.empty(tokens, dtype=torch.float64).exponential_(generator=self._generator)
            )
        return self._lines[ahead]

    def use(self) -> None:
        """Let the choice after the next one be the next."""
        if self._lines:  # a greedy choice looked at none
            self._lines.popleft()


@dataclass(frozen=True)
class Sampling:
    """Temperature 0 is greedy and the rest is unread."""

    temperature: float = 0.0
    top_p: float = 1.0
    """Keep the likeliest tokens that together hold this much probability; 1 keeps all."""
    top_k: int = 0
    """Keep this many of the likeliest tokens; 0 keeps all."""

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise RequestError(
                f"temperature={self.temperature}, top_p={self.top_p}, top_k={self.top_k}: "
                "temperature and top_k are at least 0, top_p is above 0 and at most 1"
            )

    @property
    def draws(self) -> bool:
        """Whether there is chance in it."""
        return self.temperature > 0

    def choose(self, logits: Tensor, noise: Sequence[Tensor | None]) -> list[int]:
        """Return a token for each row of logits [N, V], given its line of a `Chance`.

        A row without noise gets 0; greedy choices read none.
        """
        if not self.draws:
            return logits.argmax(-1).tolist()
        probabilities = self.probabilities(logits)
        return [
            0 if luck is None else int((line / luck).argmax())
            for line, luck in zip(probabilities, noise, strict=True)
        ]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return what tokens are drawn with, float64 [B, V] on the CPU."""
        logits = logits.cpu().double()
        # The largest is 0, so that no temperature is too small.
        logits = (logits - logits.amax(-1, keepdim=True)) / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            bound = logits.topk(self.top_k).values[:, -1:]
            logits = logits.masked_fill(logits < bound, -torch.inf)
        probabilities = logits.softmax(-1)
        if self.top_p == 1:
            return probabilities
        most = min(_NUCLEUS, probabilities.shape[-1])
        descending, order = probabilities.topk(most, dim=-1)
        if bool((descending.sum(-1) < self.top_p).any()):
            descending, order = probabilities.sort(dim=-1, descending=True)
        before = descending.cumsum(-1) - descending
        kept = descending.masked_fill(before >= self.top_p, 0.0)
        kept[:, 0] = descending[:, 0]
        return torch.zeros_like(probabilities).scatter(-1, order, kept / kept.sum(-1, keepdim=True))
