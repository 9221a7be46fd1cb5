"""Products in bfloat16 beside the exact ones, of whole layers and of a training step."""

import pytest
import torch
from torch import nn

from pretrain.half_products import halve_products

ROUNDING = 2.0**-8
"""Of bfloat16: the most that one number is off, relative to itself."""


@pytest.fixture
def layers() -> tuple[nn.Linear, nn.Linear]:
    """The same layer, exact and halved, in float64 and float32."""
    torch.manual_seed(0)
    halved = nn.Sequential(nn.Linear(48, 80))
    exact = nn.Linear(48, 80).double()
    exact.load_state_dict(halved[0].state_dict())
    halve_products(halved)
    return exact, halved[0]


def _off(found: torch.Tensor, exact: torch.Tensor) -> float:
    assert found.dtype == torch.float32
    return ((found - exact).norm() / exact.norm()).item()


def test_results_and_gradients_are_off_by_rounding_alone(layers):
    exact, halved = layers
    x = torch.randn(3, 50, 48)
    wide, thin = x.double().requires_grad_(), x.clone().requires_grad_()
    out = torch.randn(3, 50, 80)
    expected, found = exact(wide), halved(thin)
    (expected * out).sum().backward()
    (found * out).sum().backward()
    pairs = [(found, expected), (thin.grad, wide.grad)]
    pairs += [(halved.weight.grad, exact.weight.grad), (halved.bias.grad, exact.bias.grad)]
    errors = [_off(*pair) for pair in pairs]
    assert max(errors) < 2 * ROUNDING
    assert min(errors[:3]) > ROUNDING / 32  # it is not float32 that was compared
    assert errors[3] < 1e-6  # sums of rows stay exact


def test_what_runs_without_gradients_is_exact(layers):
    exact, halved = layers
    x = torch.randn(4, 48)
    with torch.no_grad():
        torch.testing.assert_close(halved(x).double(), exact(x.double()), atol=1e-5, rtol=1e-5)
    assert list(halved.state_dict()) == ["weight", "bias"]
