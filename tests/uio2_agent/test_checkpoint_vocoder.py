"""The vocoder's files: the official pickle, ours, beside a model."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.parity.compare import Case, distance
from tests.uio2_agent.official import official_directory
from tests.uio2_agent.test_checkpoint_official import Malicious
from tests.uio2_agent.tiny import tiny_model
from uio2_agent.errors import CheckpointError
from uio2_agent.formats.convert import convert
from uio2_agent.media.spectrogram import griffin_lim
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig
from uio2_agent.unified_io2 import UnifiedIO2


@pytest.fixture
def official(shared, tmp_path):
    """The recorded generator as the official file holds it, and its configuration beside it."""
    weights = load_file(shared / "fixtures/uio2/weights/hifigan_weightnorm.safetensors")
    path = tmp_path / "g_00930000"
    torch.save({"generator": weights}, path)
    shutil.copyfile(shared / "fixtures/uio2/weights/hifigan.config.json", path.with_suffix(".json"))
    return path


@torch.inference_mode()
def wave_off(shared, vocoder):
    arrays = Case(shared / "fixtures/uio2/cases/unit__hifigan.npz").arrays
    return distance(arrays["out/wave"][:, 0], vocoder(torch.from_numpy(arrays["in/log_mel"])))


@pytest.mark.parametrize("archive", [True, False])
def test_the_official_pickle(shared, official, archive):
    weights = torch.load(official, weights_only=True)
    torch.save(weights, official, _use_new_zipfile_serialization=archive)
    vocoder = Vocoder.from_pretrained(official)
    assert wave_off(shared, vocoder) < 1e-4
    assert not any(value.requires_grad for value in vocoder.parameters()) and not vocoder.training


def test_ours_and_a_configuration_handed_in(shared, official, tmp_path):
    config = VocoderConfig.read(official.with_suffix(".json"))
    assert VocoderConfig.from_official(config.to_official()) == config
    official.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight is \[64, 128, 7\] instead of \[256"):
        Vocoder.from_pretrained(official)  # without a configuration it is the released one
    (tmp_path / "ours").mkdir()
    Vocoder.from_pretrained(official, config).save_pretrained(tmp_path / "ours")
    assert wave_off(shared, Vocoder.from_pretrained(tmp_path / "ours")) < 1e-4


def test_broken_files_are_named(official, tmp_path):
    whole = official.read_bytes()
    official.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="g_00930000 is damaged or cut short"):
        Vocoder.from_pretrained(official)
    torch.save({"generator": Malicious(tmp_path / "mark")}, official)
    with pytest.raises(CheckpointError, match="holds code"):
        Vocoder.from_pretrained(official)
    assert not (tmp_path / "mark").exists()
    torch.save({"generator": {"conv_pre.weight_v": 1}}, official)
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight_v must be a name with a tensor"):
        Vocoder.from_pretrained(official)
    torch.save({"mpd": {}}, official)
    with pytest.raises(CheckpointError, match="holds no 'generator'"):
        Vocoder.from_pretrained(official)
    official.with_suffix(".json").write_text("{}")
    torch.save({"generator": {}}, official)
    with pytest.raises(CheckpointError, match="no configuration of HiFi-GAN's generator: KeyError"):
        Vocoder.from_pretrained(official)


def test_a_vocoder_travels_beside_the_model_and_is_no_part_of_it(shared, official, tmp_path):
    source = official_directory(shared, tmp_path / "source")
    output = convert(source, tmp_path / "ours", vocoder=official)
    again = convert(output, tmp_path / "again", official=True)
    for directory in (output, again):
        model = UnifiedIO2.from_pretrained(directory, processor=False)
        assert wave_off(shared, model.vocoder) < 1e-4
    assert json.loads((output / "vocoder.json").read_text())["upsample_initial_channel"] == 64
    assert not any(name.startswith("vocoder") for name in load_file(output / "model.safetensors"))
    model = tiny_model()
    model.vocoder = Vocoder.from_pretrained(official)
    saved = UnifiedIO2.from_pretrained(model.save_pretrained(tmp_path / "tiny"))
    assert wave_off(shared, saved.vocoder) < 1e-4


def test_a_wave_comes_from_the_vocoder_or_from_griffin_lim():
    model = tiny_model()
    power = np.exp(np.random.default_rng(0).normal(-6, 1, (256, 128))).astype(np.float32)
    power[3, 5] = 0  # silence has no logarithm
    assert np.array_equal(model.wave(power), griffin_lim(power))
    model.vocoder = Vocoder(VocoderConfig(width=16)).eval()
    log_mel = np.log(np.where(power > 0, power, np.float32(1e-5)))
    with torch.no_grad():
        expected = model.vocoder(torch.from_numpy(log_mel.T[None]))[0].numpy()
    assert model.wave(power).shape == (65_536,)
    assert np.allclose(model.wave(power), expected, atol=1e-6)
