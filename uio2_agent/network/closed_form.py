"""RMSNorm, rotary turns and moves of rows with gradients in closed form, for training in float32 on a CPU.

Unusual: a small model's step spends as long on passes over memory as on products. What autograd derives of
the plain formulas takes two to four times as many passes as these; the numbers differ by rounding alone.
Elsewhere (half precision, GPUs, compiled code, generation) the plain formulas of the first two stand.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def applies(x: Tensor) -> bool:
    """Tell whether a tensor is one that these gradients are for."""
    return (
        x.requires_grad
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.compiler.is_compiling()
    )


class Normed(torch.autograd.Function):
    """x [..., D] over its root mean square, times scale [D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, scale, inverse)
        return (x * inverse).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, scale, inverse = ctx.saved_tensors
        # That of a layer norm whose mean is taken for 0; its gradient through the mean is put back.
        of_x, of_scale, _ = torch.ops.aten.native_layer_norm_backward(
            gradient, x, scale.shape, torch.zeros_like(inverse), inverse, scale, None, [True, True, False]
        )
        through_mean = (gradient @ (scale / len(scale)))[..., None]
        return of_x.addcmul_(through_mean, inverse), of_scale, None


class Turned(torch.autograd.Function):
    """x [..., head_dim] with each consecutive channel pair as one complex number, times turns complex64
    [..., head_dim / 2]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, turns: Tensor) -> Tensor:
        ctx.save_for_backward(turns)
        return _times(x, turns)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (turns,) = ctx.saved_tensors
        return _times(gradient, turns.conj()), None


@dataclass(frozen=True)
class Move:
    """Where rows of a tensor go, each to one place at most.

    places [m]: which row comes there, any where there is a hole; holes: the places of zeros. back [n] and
    lost, the same of the way back.
    """

    places: Tensor
    holes: Tensor
    back: Tensor
    lost: Tensor

    @classmethod
    def of(cls, places: Tensor, count: int) -> "Move":
        """Return the move of `count` rows to places int64 [m], -1 where none goes."""
        held, holes = ((places >= 0) == wanted for wanted in (True, False))
        back = torch.full((count,), -1, device=places.device)
        back[places[held]] = held.nonzero()[:, 0]
        lost = (back < 0).nonzero()[:, 0]
        return cls(places.clamp(min=0), holes.nonzero()[:, 0], back.clamp(min=0), lost)

    @property
    def reverse(self) -> "Move":
        """The way back."""
        return Move(self.back, self.lost, self.places, self.holes)

    def __call__(self, x: Tensor) -> Tensor:
        """Return x [n, ...] moved: [m, ...]."""
        return _Moved.apply(x, self.places, self.holes, self.back, self.lost)


class _Moved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, holes: Tensor, back: Tensor, lost: Tensor) -> Tensor:
        ctx.save_for_backward(back, lost)
        return x.index_select(0, places).index_fill_(0, holes, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        back, lost = ctx.saved_tensors
        return gradient.index_select(0, back).index_fill_(0, lost, 0), None, None, None, None


def _times(x: Tensor, turns: Tensor) -> Tensor:
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * turns).flatten(-2)
