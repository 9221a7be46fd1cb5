"""Adafactor as UIO-2 trains with it (Shazeer and Stern, arXiv 1804.04235): second moments of a matrix kept as
one number per row and per column, and steps in proportion to the size of each parameter.

Unusual: a learning rate is relative. At 0.01 a parameter moves by about a hundredth of its root mean square
in a step, never less than as if that were 0.001, so that what starts at zero can leave it. Works on sharded
parameters (DTensor) too: the means are of the whole parameter.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate

_LEAST_SCALE = 1e-3
"""Root mean square that a parameter counts with at least."""
_FACTORED_FROM = 128
"""A parameter whose two largest sides are both this long or longer has its second moment factored."""
_TINY = 1e-30


class Adafactor(torch.optim.Optimizer):
    """Adafactor with momentum.

    Arguments:
        lr: relative step; set by a schedule before each step.
        beta1: decay of the momentum, which is of the finished updates.
        decay: the second moment after update k forgets at 1 - k^-decay.
        clip: largest root mean square of an update before it is scaled.
        weight_decay: share of a parameter that is taken off in each step, whatever the learning rate.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.0,
        *,
        beta1: float = 0.9,
        decay: float = 0.8,
        clip: float = 1.0,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, dict(lr=lr, beta1=beta1, decay=decay, clip=clip, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad.float(), group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state.update(_fresh(parameter))
        state["step"] += 1
        forget = 1 - float(state["step"]) ** -group["decay"]
        update = gradient * _inverse_root(state, gradient.square() + _TINY, forget)
        update /= (_rms(update) / group["clip"]).clamp(min=1.0)
        update *= group["lr"] * _rms(parameter).clamp(min=_LEAST_SCALE)
        momentum = state["momentum"].lerp_(update, 1 - group["beta1"])
        parameter.mul_(1 - group["weight_decay"]).sub_(momentum.to(parameter.dtype))


def _sides(parameter: Tensor) -> tuple[int, int] | None:
    """The axes over which the second moment is factored, the shorter first; None if it is kept whole."""
    if parameter.ndim < 2:
        return None
    shorter, longer = sorted(range(parameter.ndim), key=lambda axis: parameter.shape[axis])[-2:]
    return (shorter, longer) if parameter.shape[shorter] >= _FACTORED_FROM else None


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    """The state of a parameter before its first update."""
    wide = torch.zeros_like(parameter, dtype=torch.float32)
    state = {"step": torch.tensor(0.0), "momentum": wide}
    if (sides := _sides(parameter)) is None:
        return state | {"square": torch.zeros_like(wide)}
    shorter, longer = sides
    return state | {"first": _mean(wide, shorter), "second": _mean(wide, longer)}


def _inverse_root(state: dict[str, Tensor], square: Tensor, forget: float) -> Tensor:
    """One over the root of the second moment, after it has taken in `square`."""
    if "square" in state:
        return state["square"].lerp_(square, 1 - forget).rsqrt()
    shorter, longer = _sides(square)
    first = state["first"].lerp_(_mean(square, shorter), 1 - forget)
    second = state["second"].lerp_(_mean(square, longer), 1 - forget)
    return (first / _mean(first, longer)).rsqrt() * second.rsqrt()


def _mean(x: Tensor, axis: int) -> Tensor:
    """The mean over an axis, which stays; of a sharded tensor that of all shards."""
    mean = x.mean(axis, keepdim=True)
    if isinstance(mean, DTensor):
        whole = [Replicate() if place.is_partial() else place for place in mean.placements]
        mean = mean.redistribute(placements=whole)
    return mean


def _rms(x: Tensor) -> Tensor:
    return x.float().square().mean().sqrt()
