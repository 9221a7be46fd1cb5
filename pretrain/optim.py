"""The optimizers: AdamW for supervised training, and those of pre-training on a mixture by name.

Unusual: Muon (Jordan et al. 2024) orthogonalises the updates of matrices and of nothing else, so a second
optimizer takes the rest; here both are one, with one state and one list of groups, for what saves and shards.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.adafactor import Adafactor

_ADAMW = partial(torch.optim.AdamW, lr=0.0, betas=(0.9, 0.95), fused=True)
_LAYERS = (".layers.", ".blocks.")
"""What the names of weights inside layers have in them."""
_AT_ONCE = 2**23
"""Numbers in the matrices that are made orthogonal together: more would only take memory."""
_ROUNDS, _JORDAN = 5, (3.4445, -4.7750, 2.0315)
"""Of Newton and Schulz: steps, and the coefficients of the first, third and fifth power."""
_UNDECAYED = ("text_table", "image_table", "audio_table", "image_encoder", "audio_encoder")


def build_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """AdamW over all parameters of the modules; vectors (norms, biases) are not decayed."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), foreach=True)


class Muon(torch.optim.Optimizer):
    """Steps along the momentum of matrices, made orthogonal; small ones of one shape together.

    `torch.optim.Muon` computes the same in bfloat16, matrix by matrix, which costs a CPU without bfloat16
    more than the rest of a step.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.95):
        super().__init__(groups, {"lr": 0.0, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update all weights that have a gradient."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.shape, []).append(weight)
            for shape, weights in alike.items():
                count = max(1, _AT_ONCE // shape.numel())
                for start in range(0, len(weights), count):
                    self._turn(weights[start : start + count], group)

    def _turn(self, weights: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        """Update some weights of one shape."""
        ahead = torch.stack([self._ahead(weight, group["momentum"]) for weight in weights])
        size = 0.2 * max(ahead.shape[1:]) ** 0.5  # an AdamW update has a root mean square of about 0.2
        for weight, update in zip(weights, orthogonal(ahead), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update, alpha=-group["lr"] * size)

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        """A weight's momentum, Nesterov's way, after its gradient was taken in."""
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight.grad)
        running = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(running, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices [n, rows, columns] with singular values near 1 and the singular vectors they had.

    Five steps of Newton and Schulz with Jordan's coefficients, which leave singular values between 0.7 and
    1.2 (Jordan et al. 2024); in bfloat16 on a GPU, in float32 on a CPU.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    found = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    found = found.mT if tall else found
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        gram = found @ found.mT
        gram = torch.baddbmm(gram, gram, gram, beta=_JORDAN[1], alpha=_JORDAN[2])
        found = torch.baddbmm(found, gram, found, beta=_JORDAN[0])
    return (found.mT if tall else found).to(matrices.dtype)


class MuonBesideAdamW(torch.optim.Optimizer):
    """Muon for the groups that say `orthogonal`, AdamW for the others; each weight has the state of its own.

    Muon's updates are as large as AdamW's (root mean square), so that one rate fits both.
    """

    def __init__(self, groups: Iterable[dict[str, Any]]):
        groups = list(groups)
        split = [[g for g in groups if g["orthogonal"] is way] for way in (True, False)]
        self._parts = [make(own) if own else None for make, own in zip((Muon, _ADAMW), split, strict=True)]
        super().__init__([g for part in self._parts if part for g in part.param_groups], {})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update all weights that have a gradient."""
        for part, way in zip(self._parts, (True, False), strict=True):
            if part is not None:  # what was loaded stands here: the parts look at it anew
                part.state = self.state
                part.param_groups = [g for g in self.param_groups if g["orthogonal"] is way]
                part.step()


_NAMED = {
    "adafactor": Adafactor,
    "adamw": _ADAMW,
    "muon": MuonBesideAdamW,
}


def build_named_optimizer(name: str, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """An optimizer of `pretrain_settings.OPTIMIZERS` over what of the network learns.

    Scales, biases, tables of tokens and the ViTs are not decayed, as officially. Adafactor takes relative
    rates, AdamW and Muon absolute ones; of Muon are the matrices inside layers.
    """
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for named, weight in network.named_parameters():
        if weight.requires_grad:
            decayed = weight.ndim > 1 and not any(part in named for part in _UNDECAYED)
            orthogonal = name == "muon" and weight.ndim == 2 and any(part in named for part in _LAYERS)
            empty = {"params": [], "weight_decay": weight_decay if decayed else 0.0}
            if name == "muon":  # the groups of the others stay as states of earlier runs have them
                empty["orthogonal"] = orthogonal
            groups.setdefault((not decayed, orthogonal), empty)["params"].append(weight)
    return _NAMED[name]([groups[key] for key in sorted(groups)])


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
