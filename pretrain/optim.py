"""The optimizers: AdamW for supervised training, and those of pre-training on a mixture by name."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

from pretrain.adafactor import Adafactor

_NAMED = {
    "adafactor": Adafactor,
    "adamw": partial(torch.optim.AdamW, lr=0.0, betas=(0.9, 0.95), fused=True),
}
_UNDECAYED = ("text_table", "image_table", "audio_table", "image_encoder", "audio_encoder")


def build_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """AdamW over all parameters of the modules; vectors (norms, biases) are not decayed."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), foreach=True)


def build_named_optimizer(name: str, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """An optimizer of `pretrain_settings.OPTIMIZERS` over what of the network learns.

    Scales, biases, tables of tokens and the ViTs are not decayed, as officially. Adafactor takes relative
    rates, AdamW absolute ones.
    """
    learning = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    decayed = [p for n, p in learning if p.ndim > 1 and not any(part in n for part in _UNDECAYED)]
    chosen = {id(p) for p in decayed}
    kept = [p for _, p in learning if id(p) not in chosen]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return _NAMED[name]([group for group in groups if group["params"]])


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
