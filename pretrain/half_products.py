"""Products of layers in bfloat16, and all else in float32: what `dtype=bfloat16` is on a CPU.

A CPU that multiplies bfloat16 (AVX512-BF16, AMX) does so four times as fast as float32, but norms, rotary
turns and the gradient of attention are slower in half precision, so that autocast gains little. Sums are
float32 inside a product; its result is rounded once, as under autocast.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_HALF = torch.bfloat16


def halve_products(model: nn.Module) -> None:
    """Let the linear layers of a model learn with products in bfloat16; weights, gradients and whatever runs
    without gradients stay float32. Layers change their class in place, so the state has the same names.
    """
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = _HalvedLinear


class _HalvedLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return _Product.apply(x, self.weight, self.bias)
        return super().forward(x)


class _Product(torch.autograd.Function):
    """x [..., in] times weight [out, in], plus bias [out]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = x.to(_HALF), weight.to(_HALF)
        ctx.save_for_backward(x, weight)
        product = F.linear(x, weight).float()
        return product if bias is None else product.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)  # [n, out]
        half = rows.to(_HALF)
        of_x = (half @ weight).float().view(x.shape) if wants_x else None
        of_weight = (half.T @ x.flatten(0, -2)).float() if wants_weight else None
        return of_x, of_weight, rows.sum(0) if wants_bias else None
