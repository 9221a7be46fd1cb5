"""One step of the optimizer: losses of one or more batches, their gradient, its bound, the update.

Unusual: what is accumulated over batches and over processes is not the mean of means. An objective says first
how many tokens each of its losses is a mean over; the counts are summed over all batches and processes, and
each batch's losses are divided by that. So a step is the same however its examples are dealt out.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pretrain.guard import Guard
from pretrain.optim import set_learning_rate
from pretrain.processes import ALONE, Processes

LOSS, NORM = "total loss", "norm of the gradients"
MOST_NORM = 1.0
"""Bound of the norm of all gradients together, "crucial" to UIO-2."""


class Objective(Protocol):
    """What is minimised."""

    def counts(self, batch: Any) -> Tensor:
        """What the losses of a batch are means over: float [losses]; empty where they are means already."""
        ...

    def __call__(self, batch: Any, step: int, totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this batch's part of the total loss, and its part of each loss by name.

        The parts of all batches of a step, whose counts add up to `totals`, are summed.
        """
        ...


class Step:
    """Takes steps."""

    def __init__(
        self,
        objective: Objective,
        parameters: Sequence[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        rate: Callable[[int], float],
        guard: Guard,
        processes: Processes = ALONE,
        watched: tuple[str, ...] = (),
    ):
        """`rate`: learning rate of step 0, 1, …; `watched`: which of LOSS and NORM must not spike."""
        self.objective, self.optimizer, self.guard = objective, optimizer, guard
        self._parameters, self._rate, self._processes = parameters, rate, processes
        self._watched = watched

    def __call__(self, batches: Sequence[Any], number: int) -> dict[str, float]:
        """Take step `number`, unless the guard skips it; return its losses by name."""
        set_learning_rate(self.optimizer, self._rate(number))
        self.optimizer.zero_grad(set_to_none=True)
        totals = self._processes.sum(torch.stack([self.objective.counts(batch) for batch in batches]).sum(0))
        sums: dict[str, Tensor] = {}
        has_gradient = False
        for batch in batches:
            if synchronise := getattr(self.objective, "set_requires_gradient_sync", None):
                synchronise(batch is batches[-1])  # sharded gradients cross the processes once a step
            loss, losses = self.objective(batch, number, totals)
            for name, value in {LOSS: loss, **losses}.items():
                sums[name] = sums.get(name, 0.0) + value.detach().float()
            if loss.requires_grad:  # not where a batch has nothing to learn from
                # Sharded gradients come out as means over the processes, and here sums are wanted.
                (loss * self._processes.count).backward()
                has_gradient = True
        together = self._processes.sum(torch.stack(list(sums.values())))
        total, *losses = together.tolist()
        values = dict(zip(list(sums)[1:], losses, strict=True))
        if len(totals):  # what no example asked for has no loss
            values = {name: values[name] for name, tokens in zip(values, totals, strict=True) if tokens > 0}
        if not has_gradient:
            self.guard.admits(values)
            return values
        norm = _whole(nn.utils.clip_grad_norm_(self._parameters, MOST_NORM)).item()
        if self.guard.admits({**values, NORM: norm, LOSS: total}, self._watched):
            self.optimizer.step()
        return values


def _whole(value: Tensor) -> Tensor:
    """The full tensor of a sharded one."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value
