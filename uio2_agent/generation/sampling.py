"""How the next token is chosen from its logits: greedy, or drawn after temperature, top-k and top-p.

Unusual: every row draws from a generator of its own, in float64 on the CPU, so a row's tokens do not depend
on what it is batched with. The order (temperature, top-k, top-p) is that of the official port.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uio2_agent.errors import RequestError


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

    def choose(self, logits: Tensor, generators: Sequence[torch.Generator | None]) -> list[int]:
        """Return a token for each row of logits [B, V]; a row without a generator gets 0."""
        if self.temperature == 0:
            return logits.argmax(-1).tolist()
        probabilities = self.probabilities(logits)
        return [
            0 if generator is None else int(torch.multinomial(line, 1, generator=generator))
            for line, generator in zip(probabilities, generators, strict=True)
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
        ascending, order = probabilities.sort(dim=-1)
        dropped = ascending.cumsum(-1) <= 1 - self.top_p
        dropped[:, -1] = False
        kept = ascending.masked_fill(dropped, 0.0)
        return torch.zeros_like(kept).scatter(-1, order, kept / kept.sum(-1, keepdim=True))
