"""A step is the same however its examples are dealt out, and what is broken never reaches the weights."""

import copy

import pytest
import torch
from torch import Tensor, nn

from pretrain.guard import Diverged, Guard
from pretrain.mixture_batches import MixtureBatches, Portion
from pretrain.mixture_objective import MixtureObjective
from pretrain.packing import BestFitPacker, Limits
from pretrain.processes import ALONE, Processes
from pretrain.step import LOSS, NORM, Step
from tests.pretrain.mixtures import ToySamples
from tests.uio2_agent.tiny import full_model
from uio2_agent.unified_io2 import UnifiedIO2

BATCH = 12
ROW = Limits(100, 100)


@pytest.fixture(scope="module")
def model() -> UnifiedIO2:
    return full_model(drop_background=False, sparse_patterns=True, dynamic_masking=True).train()


def portions(model: UnifiedIO2, count: int, share: Processes = ALONE) -> list[Portion]:
    return MixtureBatches(ToySamples(), model.processor, BestFitPacker(ROW), BATCH, count, share)[0]


def gradients(model: UnifiedIO2, parts: list[Portion], **weights: float) -> tuple[dict, list[Tensor]]:
    """Losses and gradients of one step that moves nothing."""
    network = copy.deepcopy(model)
    learning = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.0)
    step = Step(MixtureObjective(network, weights), learning, optimizer, lambda step: 0.0, Guard())
    losses = step(parts, 0)
    return losses, [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]


def apart(one: list[Tensor], two: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("count", [2, 5])
def test_accumulated_is_one_batch(count: int, model: UnifiedIO2) -> None:
    """Portions of unlike sizes and modalities: a mean of means would be another step."""
    losses, whole = gradients(model, portions(model, 1))
    parts = portions(model, count)
    tokens = [sum(targets for _, targets in part.lengths) for part in parts]
    assert len(set(tokens)) > 1
    accumulated, summed = gradients(model, parts)
    assert set(losses) == {"text", "image", "audio"} and min(losses.values()) > 0
    assert losses == pytest.approx(accumulated, abs=1e-5)
    assert apart(whole, summed) < 1e-6
    mean_of_means = [
        sum(grads) / count for grads in zip(*(gradients(model, [p])[1] for p in parts), strict=True)
    ]
    assert apart(whole, mean_of_means) > 1e-3


def test_processes_share_the_very_examples_of_a_step(model: UnifiedIO2) -> None:
    whole = portions(model, 1)[0].lengths
    for count in (2, 3):
        shares = [portions(model, 1, Processes(rank, count))[0].lengths for rank in range(count)]
        assert [shares[number % count][number // count] for number in range(BATCH)] == whole


def test_a_modality_of_weight_nothing_teaches_nothing(model: UnifiedIO2) -> None:
    parts = portions(model, 1)
    _, text = gradients(model, parts, image=0.0, audio=0.0)
    _, others = gradients(model, parts, text=0.0)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    table = names.index("image_table.weight")
    assert text[table].abs().max() == 0 < others[table].abs().max()


class Given:
    """An objective with the loss and gradient it is told."""

    def __init__(self, weight: nn.Parameter, losses: list[float]):
        self.weight, self.losses = weight, losses

    def counts(self, batch: None) -> Tensor:
        return torch.zeros(0)

    def __call__(self, batch: None, step: int, totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.losses[step] * self.weight.sum()
        return loss, {"text": loss}


def run(losses: list[float], guard: Guard) -> list[float]:
    """Take steps; return the weight after each."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.001)
    step = Step(Given(weight, losses), [weight], optimizer, lambda step: 0.001, guard, watched=(LOSS, NORM))
    found = []
    for number in range(len(losses)):
        step([None], number)
        found.append(float(weight.detach()))
    return found


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), 1e6])
def test_a_step_out_of_bounds_is_skipped_and_counted(broken: float) -> None:
    guard = Guard(skipped_in_a_row=2, spike=10.0)
    calm = [1.0] * 20
    weights = run([*calm, broken, broken, 1.0], guard)
    assert weights[19] == weights[20] == weights[21] > weights[22]
    assert guard.skipped == 2
    with pytest.raises(Diverged, match=r"(text|total loss) is .*\(3 steps in a row\)"):
        run([*calm, broken, broken, broken], Guard(skipped_in_a_row=2, spike=10.0))


def test_a_loss_that_falls_or_rises_slowly_is_no_spike() -> None:
    guard = Guard(spike=3.0)
    for loss in [8 * 0.9**number + 0.1 for number in range(60)] + [
        0.1 * 1.02**number for number in range(80)
    ]:
        assert guard.admits({LOSS: loss}, (LOSS,))


def test_a_guard_goes_on_where_it_was() -> None:
    one = Guard(skipped_in_a_row=3, spike=4.0)
    for number in range(40):
        one.admits({LOSS: 1 + number % 3}, (LOSS,))
    one.admits({LOSS: float("nan")})
    two = Guard(skipped_in_a_row=3, spike=4.0)
    two.restore(one.state())
    for loss in (9.0, 3.0, 100.0, 7.9):
        assert one.admits({LOSS: loss}, (LOSS,)) == two.admits({LOSS: loss}, (LOSS,))
    assert one.state() == two.state() and one.skipped == 3


def test_without_a_bound_every_finite_step_is_taken() -> None:
    guard = Guard()
    run([1.0] * 20 + [1e5], guard)
    assert guard.skipped == 0
    with pytest.raises(Diverged, match="text is nan"):
        run([float("nan")], guard)
