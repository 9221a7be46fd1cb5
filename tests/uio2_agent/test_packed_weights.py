"""Packed and int8 weights against plain ones: scores, answers, and what a packed model refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests, picture, requests, tiny_model
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.generation.packed_weights import Int8Linear, PackedLinear, pack_weights
from uio2_agent.unified_io2 import UnifiedIO2

NO_ONEDNN = not torch.backends.mkldnn.is_available()
pytestmark = [RANDOM_ENDS, pytest.mark.skipif(NO_ONEDNN, reason="this torch has no oneDNN")]
SIZES = [(48, 32), (32, 48), (7, 32), (4196, 32)]


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
@pytest.mark.parametrize("rows", [(1,), (2, 1), (3, 5), (40,), (2, 3, 4)])
@torch.inference_mode()
def test_a_packed_product_is_the_product(outputs, inputs, rows):
    torch.manual_seed(0)
    weight, x = torch.randn(outputs, inputs), torch.randn(*rows, inputs)
    found = PackedLinear(weight)(x)
    expected = F.linear(x.double(), weight.double())
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
@torch.inference_mode()
def test_an_int8_product_is_near_the_product(outputs, inputs):
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs) * torch.logspace(-3, 2, outputs)[:, None]  # unlike rows
    weight[0] = 0
    x = torch.randn(5, 3, inputs)
    found, expected = Int8Linear(weight)(x), F.linear(x, weight)
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert (found[..., 0] == 0).all()
    error = (found - expected).flatten(0, 1).norm(dim=0)[1:] / expected.flatten(0, 1).norm(dim=0)[1:]
    assert error.max() < 0.03  # of each output, however small


def forward(model, batch):
    with torch.inference_mode():
        return model(batch).logits["text"]


def answers(model, **options):
    return [answer.tokens.tolist() for answer in model.generate(requests(), **options)]


@pytest.mark.parametrize("seed", range(2))
def test_packed_float32_answers_as_before(seed):
    model = full_model(seed, cross_every=1 + seed % 2)
    batch = model.processor(full_requests(), ["put the red block", "", "a", "b c d", "e", "f"])
    before = forward(model, batch)
    said = {name: model.generate(full_requests(), name) for name in model.targets}
    assert pack_weights(model) is model and model.is_packed
    assert (forward(model, batch) - before).abs().max() < 1e-4
    for name, plain in said.items():
        for found, expected in zip(model.generate(full_requests(), name), plain, strict=True):
            assert np.array_equal(found.tokens, expected.tokens)


def nano_requests():
    return [
        type(request)(
            request.text,
            None if request.image is None else picture(row, 128, 256),
            tuple(picture(10 + row + i, 64, 128) for i in range(len(request.image_history))),
        )
        for row, request in enumerate(requests())
    ]


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_the_packaged_model_packed(weights):
    plain, packed = UnifiedIO2.from_pretrained("nano"), UnifiedIO2.from_pretrained("nano").pack(weights)
    batch = plain.processor(nano_requests(), ["0: pick from ( <extra_id_300> )", "red", "a b", "no"])
    before, after = forward(plain, batch), forward(packed, batch)
    if weights == "float32":
        assert (after - before).abs().max() < 1e-4
        said = [model.generate(nano_requests(), max_new_tokens=24) for model in (plain, packed)]
        assert [a.tokens.tolist() for a in said[0]] == [a.tokens.tolist() for a in said[1]]
    else:
        assert 0 < (after - before).norm() < 0.03 * before.norm()


def test_int8_scores_of_a_sensitive_model_are_near():
    """Tiny models multiply small differences, hence the wider bound."""
    model = full_model()
    batch = model.processor(full_requests(), ["put the red block"] * 6)
    before = forward(model, batch)
    error = forward(pack_weights(model, "int8"), batch) - before
    assert 0 < error.norm() < 0.05 * before.norm()


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_a_packed_model_takes_every_way_to_answer(weights):
    model = pack_weights(full_model(), weights)
    for options in (dict(beams=2), dict(temperature=1.0, seed=1), dict(fixed_shape=True)):
        assert len(answers(model, max_new_tokens=5, **options)) == 4
    greedy = answers(model, max_new_tokens=9)
    drafts = [tokens[:4] for tokens in greedy]
    assert answers(model, max_new_tokens=9, parallel=True, draft=drafts) == greedy or weights == "int8"
    for target in ("image", "audio"):
        model.generate(full_requests()[:2], target, guidance=2.0)


def test_packing_refuses_what_it_cannot_do():
    with pytest.raises(UIO2Error, match="weights='int4' is unknown: use one of float32, int8"):
        pack_weights(tiny_model(), "int4")
    model = pack_weights(tiny_model())
    with pytest.raises(UIO2Error, match="packed already: load it again"):
        pack_weights(model)
    with pytest.raises(UIO2Error, match="bfloat16 on cpu"):
        pack_weights(tiny_model().transformer_to(torch.bfloat16))
    with pytest.raises(UIO2Error, match="on meta"):
        pack_weights(tiny_model().to("meta"))


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_a_packed_model_is_neither_saved_nor_trained(weights, tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path / "before")
    pack_weights(model, weights)
    with pytest.raises(CheckpointError, match="a packed model holds no weights to save"):
        model.save_pretrained(tmp_path / "after")
    assert not (tmp_path / "after").exists()
    with pytest.raises(UIO2Error, match="only generates"):
        model(model.processor(requests(), ["a"] * 4))
    with torch.no_grad():
        assert model(model.processor(requests(), ["a"] * 4)).loss.isfinite()
