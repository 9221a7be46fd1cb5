"""Official to ours and back, bit for bit; what converting refuses, carries over and costs."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from rollouts.cli import main
from tests.uio2_agent.official import FORMS, half, official_directory, official_weights
from tests.uio2_agent.test_checkpoint_memory import write_large
from tests.uio2_agent.tiny import requests, tiny_model
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.convert import convert
from uio2_agent.unified_io2 import UnifiedIO2


def same(found, expected):
    return found.keys() == expected.keys() and all(
        value.dtype == expected[name].dtype and torch.equal(value, expected[name])
        for name, value in found.items()
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_official_to_ours_and_back_is_bit_for_bit(shared, tmp_path, form, precision):
    weights = official_weights(shared)
    weights = half(weights) if precision == "mixed" else weights
    source = official_directory(shared, tmp_path / "source", form, weights)
    ours = convert(source, tmp_path / "ours")
    config = json.loads((source / "config.json").read_text())
    assert UnifiedIO2.from_pretrained(ours, processor=False).config == UnifiedIO2Config.from_official(config)
    pickled = convert(ours, tmp_path / "pickled", official=True)
    assert same(torch.load(pickled / "pytorch_model.bin", weights_only=True), weights)
    plain = convert(ours, tmp_path / "plain", official=True, safetensors=True)
    assert same(load_file(plain / "model.safetensors"), weights)
    for directory in (pickled, plain):
        assert json.loads((directory / "config.json").read_text()) == config  # every field, as it was
        preparation = json.loads((directory / "preprocessor_config.json").read_text())
        assert preparation == {"config": config, "sequence_length": config["sequence_length"]}


@pytest.mark.parametrize("safetensors", [False, True])
def test_a_precision_is_that_of_the_half_precision_releases(shared, tmp_path, safetensors):
    source = official_directory(shared, tmp_path / "source")
    seen = []
    output = convert(
        source,
        tmp_path / "half",
        official=True,
        safetensors=safetensors,
        dtype=torch.bfloat16,
        progress=lambda done, total: seen.append((done, total)),
    )
    expected = half(official_weights(shared))
    if safetensors:
        assert same(load_file(output / "model.safetensors"), expected)
    else:
        assert same(torch.load(output / "pytorch_model.bin", weights_only=True), expected)
    total = sum(value.nbytes for value in expected.values())
    assert seen == sorted(seen) and seen[-1] == (total, total)


def test_a_model_of_ours_keeps_what_lies_beside_it(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path / "source")
    (tmp_path / "source/policy.json").write_text('{"style": 1}')
    output = convert(tmp_path / "source", tmp_path / "output", dtype=torch.float16)
    assert (output / "policy.json").read_text() == '{"style": 1}'
    again = UnifiedIO2.from_pretrained(output)
    assert again.generate(requests()[1], max_new_tokens=2) is not None
    stored = load_file(output / "model.safetensors")
    kinds = {name.partition(".")[0]: value.dtype for name, value in stored.items()}
    assert kinds["decoder"] == torch.float16 and kinds["image_encoder"] == torch.float32


def test_nothing_is_written_over_or_for_a_source_that_is_not_whole(shared, tmp_path):
    weights = official_weights(shared)
    source = official_directory(shared, tmp_path / "source")
    with pytest.raises(CheckpointError, match="is the source itself"):
        convert(source, source)
    other = official_directory(shared, tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"holds pytorch_model\.bin already"):
        convert(source, other)
    del weights["encoder.encoder_norm.scale"]
    part = official_directory(shared, tmp_path / "part", "pickle", weights)
    with pytest.raises(CheckpointError, match=r"lacks encoder\.encoder_norm\.scale"):
        convert(part, tmp_path / "output")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write the model"):
        convert(source, tmp_path / "file" / "output")
    assert not (tmp_path / "output").exists()


def test_what_the_official_configuration_cannot_say_is_named(shared, tmp_path):
    with pytest.raises(UIO2Error, match="no official form"):
        convert("nano", tmp_path / "output", official=True)
    ours = convert(official_directory(shared, tmp_path / "source"), tmp_path / "ours")
    config = json.loads((ours / "config.json").read_text())
    (ours / "config.json").write_text(json.dumps(config | {"drop_background": True, "sparse_patterns": True}))
    with pytest.raises(UIO2Error, match="what this model has as sparse_patterns, drop_background"):
        convert(ours, tmp_path / "output", official=True)
    assert not (tmp_path / "output").exists()


def test_the_command(shared, tmp_path, capsys):
    source = official_directory(shared, tmp_path / "source")
    assert main(["convert", str(source), str(tmp_path / "ours")]) == 0
    assert "no tokenizer.model came with it" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "ours"), str(tmp_path / "back"), "official=true"]) == 0
    assert same(torch.load(tmp_path / "back/pytorch_model.bin", weights_only=True), official_weights(shared))
    capsys.readouterr()
    assert main(["convert", str(source), str(tmp_path / "x"), "dtype=int4"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("uio2: there is no dtype 'int4'") and line.count("\n") == 1


MEASURE = """
import sys, torch
from uio2_agent.formats.convert import convert

def peak(key):
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1]) * 1024

convert("nano", sys.argv[2] + "/nano")
open("/proc/self/clear_refs", "w").write("5")
before = peak("VmRSS")
convert(sys.argv[1], sys.argv[2] + "/large")
print(peak("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_model_is_never_whole_in_memory(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    write_large(source, "pickle", torch.float32)
    command = [sys.executable, "-c", MEASURE, str(source), str(tmp_path)]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    size = (tmp_path / "large/model.safetensors").stat().st_size
    for path in (source / "pytorch_model.bin", tmp_path / "large/model.safetensors"):
        path.unlink()
    assert size > 300e6 and peak < size / 4
