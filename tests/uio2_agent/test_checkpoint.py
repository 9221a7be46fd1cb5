"""Saving, loading, and every way a model directory can be broken."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.uio2_agent.tiny import requests, tiny_model
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.checkpoint import load_official_weights
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.unified_io2 import UnifiedIO2


@pytest.fixture
def saved(tmp_path):
    model = tiny_model()
    return model, model.save_pretrained(tmp_path / "model")


def test_round_trip(saved):
    model, directory = saved
    again = UnifiedIO2.from_pretrained(directory)
    assert again.config == dataclasses.replace(
        model.config, tokenizer=model.processor.tokenizer.vocabulary.hash()
    )
    for (name, ours), theirs in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    answers = [m.generate(requests(), max_new_tokens=8) for m in (model, again)]
    assert [a.text for a in answers[0]] == [a.text for a in answers[1]]
    again.save_pretrained(directory)  # over itself
    assert sorted(path.name for path in directory.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.model",
    ]


def test_half_precision_on_disk_is_float32_in_memory(saved, tmp_path):
    model, _ = saved
    directory = model.save_pretrained(tmp_path / "half", dtype=torch.float16)
    stored = load_file(directory / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    again = UnifiedIO2.from_pretrained(directory)
    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    weight = model.encoder.layers[0].mlp.up.weight
    assert torch.allclose(again.encoder.layers[0].mlp.up.weight, weight, atol=1e-3)


def test_a_truncated_file_is_named(saved):
    _, directory = saved
    path = directory / "model.safetensors"
    whole = path.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or cut short") as error:
            UnifiedIO2.from_pretrained(directory)
        assert "\n" not in str(error.value)


def test_other_weights_are_named(saved):
    _, directory = saved
    path = directory / "model.safetensors"
    weights = load_file(path)
    cases = {
        "lacks encoder.norm.scale": {k: v for k, v in weights.items() if k != "encoder.norm.scale"},
        "has unknown encoder.extra": weights | {"encoder.extra": torch.zeros(1)},
        r"encoder.norm.scale is \[3\] instead of \[32\]": weights | {"encoder.norm.scale": torch.zeros(3)},
    }
    for message, broken in cases.items():
        save_file(broken, path)
        with pytest.raises(CheckpointError, match=message):
            UnifiedIO2.from_pretrained(directory)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved, name):
    _, directory = saved
    (directory / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        UnifiedIO2.from_pretrained(directory)


def test_a_broken_configuration_is_named(saved):
    _, directory = saved
    path = directory / "config.json"
    values = json.loads(path.read_text())
    path.write_text(path.read_text()[:50])
    with pytest.raises(CheckpointError, match="not readable JSON"):
        UnifiedIO2.from_pretrained(directory)
    path.write_text(json.dumps(values | {"depth": 3}))
    with pytest.raises(UIO2Error, match=r"unknown fields \['depth'\]"):
        UnifiedIO2.from_pretrained(directory)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(CheckpointError, match="neither a directory nor a packaged name"):
        checkpoint_directory("gigantic")


def test_an_unwritable_directory_is_one_error(saved, tmp_path):
    model, _ = saved
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write the model"):
        model.save_pretrained(tmp_path / "file" / "model")


def test_a_misspelt_official_name_is_an_error():
    with pytest.raises(CheckpointError, match=r"has unknown encoder\.layers_0\.attn"):
        load_official_weights(tiny_model(), {"encoder.layers_0.attn": torch.zeros(1)})
