"""Muon: its updates are nearly orthogonal, of the matrices inside layers alone, and two optimizers are saved
as one.
"""

import copy
from pathlib import Path

import pytest
import torch

from pretrain.optim import Muon, build_named_optimizer, set_learning_rate
from pretrain.pretraining import pretrain
from tests.pretrain.mixtures import open_toys, toy_config, toy_model
from tests.pretrain.test_pretraining import log, started, weights
from uio2_agent.unified_io2 import UnifiedIO2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy_model(tmp_path_factory.mktemp("start") / "model")


def test_matrices_inside_layers_turn_all_ways_alike_and_all_else_learns_as_with_adamw(model: str) -> None:
    """Nearly all singular values of an update are alike, of a gradient few."""
    first = UnifiedIO2.from_pretrained(model)
    updates, gradients = {}, {}
    for name in ("muon", "adamw"):
        network = copy.deepcopy(first)
        optimizer = build_named_optimizer(name, network, weight_decay=0.0)
        set_learning_rate(optimizer, 0.01)
        generator = torch.Generator().manual_seed(0)
        for named, weight in network.named_parameters():
            steep = torch.logspace(0, -1, weight.shape[-1])  # ways of very different size
            weight.grad = gradients[named] = torch.randn(weight.shape, generator=generator) * steep
        optimizer.step()
        before = dict(first.named_parameters())
        updates[name] = {n: (w - before[n]).detach() for n, w in network.named_parameters()}
    shares = []
    for named, update in updates["muon"].items():
        if update.ndim == 2 and (".layers." in named or ".blocks." in named):
            shares.append([_alike(update), _alike(gradients[named])])
            assert update.square().mean().sqrt() == pytest.approx(0.002, rel=0.3), named
        else:
            assert torch.equal(update, updates["adamw"][named]), named
    shares = torch.tensor(shares)
    assert len(shares) > 10 and (shares[:, 0] > 0.85).all() and (shares[:, 1] < 0.6).all(), shares


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_steps_are_those_of_another_muon(shape: tuple[int, int]) -> None:
    """torch's own works in bfloat16, which keeps two to three digits."""
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for _ in range(3)]
    ours, theirs = ([torch.nn.Parameter(matrix.clone()) for matrix in start] for _ in range(2))
    settings = {"lr": 0.02, "weight_decay": 0.1}
    mine = Muon([{"params": ours, **settings}])
    other = torch.optim.Muon(theirs, **settings, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for one, two in zip(ours, theirs, strict=True):
            one.grad = torch.randn(shape, generator=generator) * torch.logspace(0, -1, shape[1])
            two.grad = one.grad.clone()
        mine.step()
        other.step()
    for one, two, first in zip(ours, theirs, start, strict=True):
        assert (one - two).norm() < 0.03 * (two - first).norm()


def _alike(matrix: torch.Tensor) -> float:
    """The share of a matrix's singular values that are more than half of the largest."""
    values = torch.linalg.svdvals(matrix)
    return float((values > values.max() / 2).float().mean())


def test_stopped_or_on_two_processes_it_is_the_same_run(model: str, tmp_path: Path) -> None:
    settings = {"steps": 3, "optimizer": "muon"}
    whole = pretrain(toy_config(model, tmp_path / "whole", **settings), open_toys)
    for _ in range(3):
        pretrain(toy_config(model, tmp_path / "stopped", **settings, stop_after=1e-9), open_toys)
    assert log(tmp_path / "stopped") == log(whole)
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(tmp_path / "stopped").items())

    words = [f"{key}={value}" for key, value in settings.items()]
    process = started([model, str(tmp_path / "two"), *words], 2)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    for one, two in zip(log(whole), log(tmp_path / "two"), strict=True):
        assert one == pytest.approx(two, abs=2e-3)
