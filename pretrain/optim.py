"""The optimizer of supervised training: AdamW, with matrices alone decayed."""

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


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
