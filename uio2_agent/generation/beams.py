"""Beam search over text: several lines of one answer kept, the best finished one returned.

Follows the search the official port is driven by, so that its recorded beams come out: twice as many
candidates as beams, an end token finishes a line when it ranks among the first, a finished line's score is
its summed log-probability divided by its length to a power, and a request is done when no open line can still
beat its worst finished one.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from uio2_agent.generation.decoding import EOS, LogitsProcessor
from uio2_agent.generation.stepping import START, Stepper


@dataclass
class _Finished:
    """The best finished lines of one request."""

    most: int
    power: float
    lines: list[tuple[float, list[int]]] = field(default_factory=list)
    done: bool = False

    def add(self, tokens: list[int], log_probability: float, length: int) -> None:
        """Keep a line if it is among the best; `length` counts its tokens, the end included."""
        score = log_probability / length**self.power
        if len(self.lines) < self.most or score > self.worst:
            self.lines.append((score, tokens))
            self.lines.sort(key=lambda line: -line[0])
            del self.lines[self.most :]

    @property
    def worst(self) -> float:
        return self.lines[-1][0] if self.lines else float("inf")

    def close(self, best_open: float, length: int) -> None:
        """Be done when an open line of this log-probability and length could not enter any more."""
        full = len(self.lines) >= self.most
        self.done = self.done or (full and self.worst >= best_open / length**self.power)


def beam_search(
    stepper: Stepper,
    beams: int,
    limit: int,
    *,
    length_power: float = 1.0,
    allowed: Tensor | None = None,
    logits_processor: LogitsProcessor | None = None,
) -> list[tuple[list[int], float]]:
    """Return the best line of each request and its score: summed log-probability / length ** length_power.

    Arguments:
        stepper: a decoder whose rows hold each request `beams` times in a row.
        limit: most tokens of a line, the end token included.
        allowed: bool [V], tokens that exist; None for all.
        logits_processor: changes the log-probabilities of the next token, given each line.
    """
    count = stepper.rows // beams
    finished = [_Finished(beams, length_power) for _ in range(count)]
    totals = torch.full((count, beams), -1e9, dtype=torch.float32)
    totals[:, 0] = 0  # all lines of a request start alike: let one of them branch
    lines: list[list[int]] = [[] for _ in range(stepper.rows)]
    fed = np.full((stepper.rows, 1), START)
    for step in range(limit):
        hidden = stepper(fed, np.full((stepper.rows, 1), step))
        scores = stepper.logits(hidden[:, -1]).log_softmax(-1).cpu()  # [count * beams, V]
        if logits_processor is not None:
            scores = logits_processor(scores, lines)
        if allowed is not None:
            scores = scores.masked_fill(~allowed.cpu(), -torch.inf)
        candidates = (scores.view(count, beams, -1) + totals[..., None]).flatten(1)  # [count, beams * V]
        best, index = candidates.topk(2 * beams)
        rows, tokens = index // scores.shape[-1], index % scores.shape[-1]
        order, chosen = [], []
        for request in range(count):
            base = request * beams
            going = []
            for rank in range(2 * beams):
                row, token = base + int(rows[request, rank]), int(tokens[request, rank])
                total = float(best[request, rank])
                if token == EOS:
                    if rank < beams and not finished[request].done:
                        finished[request].add([*lines[row], EOS], total, step + 1)
                    continue
                going.append((row, token, total))
                if len(going) == beams:
                    break
            finished[request].close(float(best[request].max()), step + 1)
            order += [row for row, _, _ in going]
            chosen += [token for _, token, _ in going]
            totals[request] = torch.tensor([total for _, _, total in going])
        lines = [[*lines[row], token] for row, token in zip(order, chosen, strict=True)]
        stepper.reorder(torch.tensor(order, device=hidden.device))
        fed = np.array(chosen)[:, None]
        if all(request.done for request in finished):
            break
    for request, kept in enumerate(finished):
        if not kept.done:
            for beam in range(beams):
                row = request * beams + beam
                kept.add(lines[row], float(totals[request, beam]), len(lines[row]))
    return [(kept.lines[0][1], kept.lines[0][0]) for kept in finished]
