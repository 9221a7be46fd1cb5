"""Gradients in closed form are those that autograd derives of the plain formulas in float64."""

import pytest
import torch

from uio2_agent.network.closed_form import Move
from uio2_agent.network.layers import NORM_EPS, RMSNorm
from uio2_agent.network.positions import rotary_1d, rotary_pair, rotate


def gradients(value: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 2, value.numel(), dtype=torch.float64).view(value.shape)
    return [g.double() for g in torch.autograd.grad((value.double() * weights).sum(), of)]


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Compare row by row: a row of zeros may have gradients a million times those of a long one."""
    largest = other.abs().amax(-1, keepdim=True)
    return bool(((one.double() - other).abs() <= 1e-5 * largest).all())


@pytest.mark.parametrize("shape", [(2, 7, 24), (2, 7, 3, 8)])
def test_rms_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm = RMSNorm(shape[-1])
    torch.nn.init.normal_(norm.scale)
    x = torch.randn(shape)
    x[0, 0] = 0
    x[0, 1] *= 1e4
    x.requires_grad_()
    wide, scale = (value.detach().double().requires_grad_() for value in (x, norm.scale))
    expected = wide / (wide.square().mean(-1, keepdim=True) + NORM_EPS).sqrt() * scale
    found = norm(x)
    assert close(found, expected)
    for one, other in zip(gradients(found, x, norm.scale), gradients(expected, wide, scale), strict=True):
        assert close(one, other)
    assert close(norm(x.detach()), expected)  # the plain formula


def test_turns() -> None:
    torch.manual_seed(0)
    rows = rotary_1d(9, 8, torch.device("cpu"))[None]
    x = torch.randn(2, 9, 3, 8).transpose(1, 2).requires_grad_()
    wide = x.detach().double().requires_grad_()
    turns = torch.view_as_complex(rows.double().unflatten(-1, (-1, 2)))[:, None]
    expected = torch.view_as_real(torch.view_as_complex(wide.unflatten(-1, (-1, 2))) * turns).flatten(-2)
    found = rotate(x, rotary_pair(rows))
    assert close(found, expected)
    assert close(*gradients(found, x), *gradients(expected, wide))
    assert close(rotate(x.detach(), rotary_pair(rows)), expected)  # the plain formula


def test_moves() -> None:
    move = Move.of(torch.tensor([3, -1, 0, 1]), 5)
    x = torch.arange(10.0).view(5, 2).requires_grad_()
    moved = move(x)
    assert moved.tolist() == [[6, 7], [0, 0], [0, 1], [2, 3]]
    (moved * torch.tensor([1.0, 10, 100, 1000])[:, None]).sum().backward()
    assert x.grad[:, 0].tolist() == [100, 1000, 0, 1, 0]
    assert move.reverse(moved).tolist() == [[0, 1], [2, 3], [0, 0], [6, 7], [0, 0]]
