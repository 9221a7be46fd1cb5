"""Optimizer and schedule of supervised training.

AdamW with a linear warm-up, a plateau and a linear decay to zero over the last part of the run. The plateau
makes a run that was stopped extendable: everything before the decay is the same for any number of steps.
"""

from collections.abc import Iterable

import torch
from torch import nn


def build_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """AdamW over all parameters of the modules; vectors (norms, biases, embeddings) are not decayed."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), foreach=True)


def learning_rate(step: int, peak: float, warmup: int, steps: int, decay_share: float) -> float:
    """Rate of step 0, 1, …, steps - 1: linear up over `warmup`, level, linear to zero over the last
    `decay_share`.

    >>> [round(learning_rate(s, 1.0, 2, 10, 0.4), 2) for s in (0, 1, 5, 6, 8, 9)]
    [0.5, 1.0, 1.0, 1.0, 0.5, 0.25]
    """
    decay = max(1, round(steps * decay_share))
    return peak * min(1.0, (step + 1) / max(1, warmup), (steps - step) / decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
