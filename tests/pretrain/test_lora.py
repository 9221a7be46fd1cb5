"""Adapters: nothing at first, a plain matrix sum when merged, little memory, a round trip to disk."""

import copy
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from pretrain.errors import TrainingError
from pretrain.lora import CONFIG, WEIGHTS, Lora
from pretrain.optim import build_optimizer, set_learning_rate
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

ALL = ("query", "key", "value", "out", "gate", "up", "down")


@pytest.fixture
def model() -> UnifiedIO2:
    torch.manual_seed(0)
    config = UnifiedIO2Config.preset("nano")
    model = UnifiedIO2(config)
    model.processor = Processor(config, TextTokenizer.packaged())
    return model


@pytest.fixture
def batch(model: UnifiedIO2) -> Batch:
    image = np.random.default_rng(0).integers(0, 255, (128, 256, 3), np.uint8)
    requests = [Request("Put the red block into the bowl.", image=image), Request("Turn the star.")]
    return model.processor(requests, ["Step 0: pick it.", "Step 0: turn it by a half."])


def randomise(lora: Lora, seed: int = 1) -> Lora:
    generator = torch.Generator().manual_seed(seed)
    for parameter in lora.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    return lora


def logits(model: UnifiedIO2, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model(batch).logits["text"]


def test_a_fresh_adapter_changes_nothing(model, batch):
    before = logits(model, batch)
    lora = Lora(model, rank=4, targets=ALL)
    assert torch.equal(logits(model, batch), before)
    randomise(lora)
    assert not torch.allclose(logits(model, batch), before, atol=1e-2)


def test_an_adapted_layer_is_its_weight_plus_the_scaled_product(model):
    layer = model.decoder.layers[1].cross_attention.value
    lora = randomise(Lora(model, rank=3, alpha=12.0))
    adapter = lora.adapters["decoder/layers/1/cross_attention/value"]
    x = torch.randn(5, 192)
    weight = layer.weight.detach().numpy() + 4.0 * adapter.up.detach().numpy() @ adapter.down.detach().numpy()
    np.testing.assert_allclose(layer(x).detach(), x.numpy() @ weight.T, atol=1e-5)


def test_merging_keeps_the_answer(model, batch):
    weights = copy.deepcopy(model.state_dict())
    lora = randomise(Lora(model, rank=4, targets=ALL))
    adapted = logits(model, batch)
    with lora.merged():
        torch.testing.assert_close(logits(model, batch), adapted, atol=1e-5, rtol=1e-5)
        assert not torch.equal(
            model.encoder.layers[0].mlp.up.weight, weights["encoder.layers.0.mlp.up.weight"]
        )
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert torch.equal(logits(model, batch), adapted)
    lora.merge()
    torch.testing.assert_close(logits(model, batch), adapted, atol=1e-5, rtol=1e-5)


def test_only_adapters_learn_and_only_they_cost_memory(model, batch):
    counts = {}
    for rank in (4, 8):
        adapted = copy.deepcopy(model)
        lora = randomise(Lora(adapted, rank))
        optimizer = build_optimizer([lora], weight_decay=0.01)
        set_learning_rate(optimizer, 1e-3)
        adapted(batch).loss.backward()
        optimizer.step()
        assert all(p.grad is None and not p.requires_grad for p in adapted.parameters())
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in lora.parameters())
        gradients = sum(p.grad.nbytes for p in lora.parameters())
        moments = [v for state in optimizer.state.values() for k, v in state.items() if k != "step"]
        # 3 encoder and 2 x 2 decoder attentions, two square layers of width 192 in each
        assert gradients == 7 * 2 * rank * (192 + 192) * 4
        assert sum(moment.nbytes for moment in moments) == 2 * gradients
        counts[rank] = gradients
    assert counts[8] == 2 * counts[4]


def test_saved_adapters_come_back(model, batch, tmp_path):
    base = copy.deepcopy(model)
    lora = randomise(Lora(model, rank=4, alpha=2.0, targets=["key", "gate"]))
    lora.save(tmp_path)
    again = Lora.load(base, tmp_path)
    assert torch.equal(logits(base, batch), logits(model, batch))
    assert (again.rank, again.alpha, set(again.targets)) == (4, 2.0, {"key", "gate"})
    weights = sum(parameter.nbytes for parameter in lora.parameters())
    assert weights < (tmp_path / WEIGHTS).stat().st_size < weights + 10_000


def test_another_library_reads_the_file(model, batch, tmp_path):
    peft = pytest.importorskip("peft", reason="peft, an independent reader of adapters, is not installed")
    base = copy.deepcopy(model)
    randomise(Lora(model, rank=4, alpha=2.0, targets=["key", "gate"])).save(tmp_path)
    found = peft.PeftModel.from_pretrained(base, str(tmp_path)).base_model.model
    torch.testing.assert_close(logits(found, batch), logits(model, batch), atol=1e-5, rtol=1e-5)


def test_the_file_names_each_layer(model, tmp_path):
    Lora(model, rank=4).save(tmp_path)
    with safe_open(tmp_path / WEIGHTS, "np") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    path = "base_model.model.decoder.layers.0.self_attention.query"
    assert shapes[f"{path}.lora_A.weight"] == [4, 192] and shapes[f"{path}.lora_B.weight"] == [192, 4]
    assert len(shapes) == 7 * 2 * 2
    assert json.loads((tmp_path / CONFIG).read_text())["r"] == 4


def test_a_few_steps_learn_an_answer_by_heart(model, batch):
    lora = Lora(model, rank=8, alpha=16.0, targets=ALL)
    optimizer = torch.optim.Adam(lora.parameters(), lr=0.01)
    first = model(batch).loss.item()
    for _ in range(60):
        loss = model(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert first > 3 and loss.item() < 0.1, (first, loss.item())


def test_adapters_of_a_bfloat16_model_are_float32(model, batch):
    model.to(torch.bfloat16)
    lora = randomise(Lora(model, rank=4, targets=ALL))
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch).loss
    loss.backward()
    assert (
        {p.dtype for p in lora.parameters()} == {p.grad.dtype for p in lora.parameters()} == {torch.float32}
    )
    layer = model.encoder.layers[0].mlp.down
    before, adapter = layer.weight.float(), lora.adapters["encoder/layers/0/mlp/down"]
    exact = before + 4.0 * adapter.up @ adapter.down
    lora.merge()
    assert layer.weight.dtype == torch.bfloat16
    torch.testing.assert_close(layer.weight.float(), exact, rtol=2**-8, atol=0)  # rounded once


def test_large_sizes_are_adapted_without_memory():
    with torch.device("meta"):
        model = UnifiedIO2(UnifiedIO2Config.preset("large"))
        lora = Lora(model, rank=16)
    # 24 encoder and 2 x 24 decoder attentions, two square layers of width 1024 in each
    assert sum(parameter.numel() for parameter in lora.parameters()) == 72 * 2 * 16 * (1024 + 1024)


def test_unfit_requests_and_files_are_one_line(model, tmp_path):
    with pytest.raises(TrainingError, match=r"named query, .*: choose of these, found 'qery', 'norm'$"):
        Lora(model, rank=4, targets=["qery", "value", "norm"])
    with pytest.raises(TrainingError, match="choose of these, found none"):
        Lora(model, rank=4, targets=[])
    with pytest.raises(TrainingError, match="at least 1, found -1"):
        Lora(model, rank=-1)
    Lora(model, rank=4).save(tmp_path)
    with torch.device("meta"):
        other = UnifiedIO2(UnifiedIO2Config.preset("base"))
    with pytest.raises(CheckpointError, match="of another model"):
        Lora.load(other, tmp_path)
    (tmp_path / CONFIG).write_text("{}")
    with pytest.raises(CheckpointError, match=f"{CONFIG} is damaged"):
        Lora.load(model, tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=f"{WEIGHTS} is missing"):
        Lora.load(model, tmp_path)
