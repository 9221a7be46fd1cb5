"""The forward pass: what a row may depend on, gradients, sizes of the presets, refusals."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import uio2_agent
from tests.uio2_agent.tiny import picture, requests, tiny_config, tiny_model
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.formats.official_names import name_from_official, name_to_official
from uio2_agent.inputs.processor import Processor
from uio2_agent.model import token_loss
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import Vocabulary
from uio2_agent.unified_io2 import UnifiedIO2

TARGETS = ["0: pick from ( <extra_id_300> )", "letter A", "", "push and push and push to ( <extra_id_999> )"]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@torch.inference_mode()
def test_a_row_equals_itself_alone(model):
    together = model(model.processor(requests(), TARGETS))
    for row, request in enumerate(requests()):
        alone = model(model.processor([request], [TARGETS[row]]))
        length = int(alone.masks["text"].sum())
        assert torch.equal(together.targets["text"][row, :length], alone.targets["text"][0])
        difference = together.logits["text"][row, :length] - alone.logits["text"][0, :length]
        assert difference.abs().max() < 2e-5


@torch.inference_mode()
def test_fixed_shapes_change_nothing_and_hold_no_nan(model):
    loose = model(model.processor(requests(), TARGETS))
    fixed = model(model.processor(requests(), TARGETS, fixed_shape=True))
    mask = loose.masks["text"]
    assert fixed.logits["text"].shape[1] == model.config.text_target_length
    shown = fixed.logits["text"][:, : mask.shape[1]]
    assert (shown - loose.logits["text"])[mask].abs().max() < 2e-5
    assert fixed.logits["text"].isfinite().all()
    assert torch.allclose(fixed.loss, loose.loss, atol=1e-6)


@torch.inference_mode()
def test_every_input_matters_and_masked_ones_do_not(model):
    batch = model.processor(requests()[:1], TARGETS[:1])
    before = model(batch).logits["text"]

    def change(name, **fields):
        return model(
            dataclasses.replace(batch, **{name: dataclasses.replace(getattr(batch, name), **fields)})
        )

    for name in ("image", "image_history"):
        part = getattr(batch, name)
        moved = change(name, positions=part.positions.flip(-1)).logits["text"]
        assert (moved - before).abs().max() > 1e-3, f"positions of {name}"
        mask = part.mask.clone()
        mask[..., -1] = False
        values = part.values.clone()
        values[..., -1, :] = 1e3
        hidden = change(name, mask=mask).logits["text"]
        assert (hidden - before).abs().max() > 1e-3, f"mask of {name}"
        assert (change(name, mask=mask, values=values).logits["text"] - hidden).abs().max() < 1e-5


@torch.inference_mode()
def test_targets_are_causal(model):
    batch = model.processor(requests()[:1], TARGETS[:1])
    before = model(batch).logits["text"]
    inputs = batch.text_target.inputs.clone()
    inputs[:, 5] += 1
    after = model(
        dataclasses.replace(batch, text_target=dataclasses.replace(batch.text_target, inputs=inputs))
    ).logits["text"]
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before[:, 5] - after[:, 5]).abs().max() > 1e-3


@pytest.mark.parametrize("frozen", [False, True])
def test_gradients_reach_what_they_should(frozen):
    model = tiny_model(freeze_vit=frozen)
    model(model.processor(requests(), TARGETS), z_loss=1e-4).loss.backward()
    without = {name.split(".")[0] for name, value in model.named_parameters() if value.grad is None}
    assert without == ({"image_encoder"} if frozen else set())
    assert all(
        v.grad.isfinite().all() and v.grad.abs().sum() > 0 for v in model.parameters() if v.grad is not None
    )


def test_training_after_inference():
    """Position tables made under inference mode must not be kept as inference tensors."""
    model = tiny_model(text_target_length=39, position_init=0.3)
    with torch.inference_mode():
        model(model.processor(requests(), TARGETS))
    loss = model(model.processor(requests(), TARGETS)).loss
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_equals_a_loop(smoothing):
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 7), torch.randint(7, (2, 3))
    mask = torch.tensor([[True, True, False], [True, False, False]])
    expected = 0.0
    for row, column in mask.nonzero().tolist():
        line = logits[row, column].double().numpy()
        log_z = np.log(np.exp(line).sum())
        wanted = np.full(7, smoothing / 6)
        wanted[targets[row, column]] = 1 - smoothing
        divergence = wanted @ (np.log(np.maximum(wanted, 1e-300)) - (line - log_z))
        expected += (divergence + 0.1 * log_z**2) / 3
    found = token_loss(logits, targets, mask, z_loss=0.1, smoothing=smoothing)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "numbers"), [("large", 1_080_595_919), ("xl", 3_175_415_247), ("xxl", 6_864_176_143)]
)
def test_official_presets_hold_as_many_numbers_as_the_official_models(name, numbers):
    with torch.device("meta"):
        model = UnifiedIO2(UnifiedIO2Config.preset(name))
    assert sum(value.numel() for value in model.parameters()) == numbers


@pytest.mark.parametrize("name", ["large", "xl", "xxl"])
def test_official_presets_have_the_official_weights(shared, name):
    with torch.device("meta"):
        model = UnifiedIO2(UnifiedIO2Config.preset(name))
    ours = {name_to_official(key): list(value.shape) for key, value in model.state_dict().items()}
    assert len(ours) == len(model.state_dict())
    assert all(
        name_from_official(official) == key for key, official in zip(model.state_dict(), ours, strict=True)
    )
    lines = (shared / "specs/uio2_large_state_dict.tsv").read_text().splitlines()[1:]
    official = {key: json.loads(shape) for key, shape, *_ in (line.split("\t") for line in lines)}
    names = set(official)
    if name == "xxl":  # the resamplers' normed queries and keys become one logit scale
        resampler = {key for key in names if ".xattention.query_norm" in key or ".xattention.key_norm" in key}
        scales = {key.replace("query_norm.scale", "logit_scale") for key in resampler if "query_norm" in key}
        names = (names - resampler) | scales
    assert set(ours) == names
    if name == "large":
        assert ours == official


def test_official_configuration_round_trip(shared):
    for path in sorted((shared / "fixtures/uio2/weights").glob("?.config.json")):
        config = UnifiedIO2Config.from_official(json.loads(path.read_text()))
        assert UnifiedIO2Config.from_official(config.to_official()) == config
    large = UnifiedIO2Config.preset("large")
    assert large.from_official(large.to_official()) == large


def test_configuration_dictionary_round_trip():
    for name in ("nano", "base", "xxl"):
        config = UnifiedIO2Config.preset(name)
        assert UnifiedIO2Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(UIO2Error, match="unknown fields"):
        UnifiedIO2Config.from_dict({"colour": 3})
    with pytest.raises(UIO2Error, match="image_encoder lacks"):
        UnifiedIO2Config.from_dict(config.to_dict() | {"image_encoder": {"width": 3}})
    with pytest.raises(UIO2Error, match="there are nano"):
        UnifiedIO2Config.preset("nanoo")
    with pytest.raises(UIO2Error, match=r"3 \* 16 != 32"):
        tiny_config(heads=3)


def test_nano_belongs_to_the_packaged_tokenizer_and_is_small():
    config, tokenizer = UnifiedIO2Config.preset("nano"), TextTokenizer.packaged()
    assert config.text_rows == tokenizer.vocabulary.padded_size
    with torch.device("meta"):
        size = sum(value.numel() for value in UnifiedIO2(config).parameters())
    assert size * 2 < 25e6  # bytes in half precision
    with pytest.raises(RequestError, match="hand in the tokenizer"):
        Processor(tiny_config(text_rows=Vocabulary(500).padded_size), tokenizer)


def test_refusals(model):
    process = model.processor
    with pytest.raises(RequestError, match="no targets"):
        model(process(requests()))
    with pytest.raises(RequestError, match="4 requests but 1 targets"):
        process(requests(), ["a"])
    with pytest.raises(RequestError, match="no target 'smell'"):
        process(requests(), target="smell")
    with pytest.raises(RequestError, match="9 history images"):
        process([dataclasses.replace(requests()[0], image_history=(picture(0),) * 9)])
    blind = Processor(tiny_config(input_modalities=("text",)), process.tokenizer)
    with pytest.raises(RequestError, match="takes no image"):
        blind(requests())


def test_long_texts_are_cut_and_still_end(model):
    with pytest.warns(UserWarning, match="text target of request 0 has 101 tokens"):
        batch = model.processor([requests()[0]], ["red " * 100])
    assert batch.text_target.targets.shape[1] == model.config.text_target_length
    assert batch.text_target.targets[0, -1] == 1


def test_import_is_light():
    code = "import sys, uio2_agent; print('torch' in sys.modules, 'sentencepiece' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_package_names_no_simulator():
    root = Path(uio2_agent.__file__).parent
    texts = [path for path in root.rglob("*") if path.suffix in (".py", ".json")]
    assert len(texts) > 50
    named = re.compile(r"vima|procthor|ai2thor|habitat|mujoco", re.IGNORECASE)
    assert not [str(path) for path in texts if named.search(path.read_text(encoding="utf-8"))]
