"""A decoder whose scores are a function of what it was fed: any answer can be worked out beside it."""

from collections.abc import Callable

import numpy as np
import torch

START, EOS = 0, 1
TOKENS = 12
"""Size of its vocabulary."""


def scores(seed: int, prefix: list[int]) -> np.ndarray:
    """Return random scores [TOKENS] of what may follow a prefix, `START` included."""
    return np.random.default_rng([seed, *prefix]).standard_normal(TOKENS)


class Scripted:
    """A decoder that remembers tokens by row and position, as a cache does, and counts its calls."""

    def __init__(self, seeds: list[int], scores: Callable[[int, list[int]], np.ndarray] = scores):
        self.rows, self.calls, self._seeds, self._scores = len(seeds), 0, seeds, scores
        self._fed: list[dict[int, int]] = [{} for _ in seeds]
        self._prefixes: list[tuple[int, ...]] = []  # (row, token, token, ...)

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> torch.Tensor:
        self.calls += 1
        hidden = np.zeros((*tokens.shape, 1))
        for row, fed in enumerate(self._fed):
            fed.update(zip(positions[row].tolist(), tokens[row].tolist(), strict=True))
            for column, at in enumerate(positions[row].tolist()):
                hidden[row, column] = len(self._prefixes)
                self._prefixes.append((row, *(fed[place] for place in range(at + 1) if place in fed)))
        return torch.from_numpy(hidden)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        prefixes = [self._prefixes[int(index)] for index in hidden.flatten()]
        lines = [self._scores(self._seeds[row], prefix) for row, *prefix in prefixes]
        return torch.from_numpy(np.array(lines)).view(*hidden.shape[:-1], TOKENS)

    def reorder(self, rows: torch.Tensor) -> None:
        self._fed = [dict(self._fed[row]) for row in rows.tolist()]
