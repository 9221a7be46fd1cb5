"""The vocoder's files: the official pickle, ours, beside a model."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.parity.compare import Case, distance
from tests.uio2_agent.official import official_directory
from tests.uio2_agent.reference_tokenizers import hifi_gan, hifi_gan_state
from tests.uio2_agent.test_checkpoint_official import Malicious
from tests.uio2_agent.tiny import tiny_model
from uio2_agent.errors import CheckpointError, UIO2Error
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
    with pytest.raises(
        CheckpointError, match="no configuration of HiFi-GAN's generator: it lacks resblock, "
    ):
        Vocoder.from_pretrained(official)


TYPES = {
    "2": dict(
        resblock="2", num_mels=128, upsample_initial_channel=16, upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8], resblock_kernel_sizes=[3, 5],
        resblock_dilation_sizes=[[1, 2], [3, 12]],
    ),
    "1": dict(
        resblock="1", num_mels=128, upsample_initial_channel=32, upsample_rates=[8, 8, 2, 2],
        upsample_kernel_sizes=[16, 16, 4, 4], resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    ),
    "odd": dict(
        resblock="1", num_mels=20, upsample_initial_channel=24, upsample_rates=[5, 3, 2],
        upsample_kernel_sizes=[10, 3, 7], resblock_kernel_sizes=[5], resblock_dilation_sizes=[[2, 1]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
@torch.inference_mode()
def test_residual_blocks_of_both_types(tmp_path, kind):
    """The official pickle and ours, against a second implementation."""
    official = TYPES[kind]
    state = hifi_gan_state(official, seed=3)
    (tmp_path / "g.json").write_text(json.dumps(official | {"sampling_rate": 16_000, "seed": 1234}))
    torch.save({"generator": state}, tmp_path / "g")
    log_mel = torch.randn(2, official["num_mels"], 9, generator=torch.Generator().manual_seed(0)) * 2 - 4
    expected = hifi_gan(state, official, log_mel)
    assert expected.std() > 0.05 and expected.abs().max() < 1
    vocoder = Vocoder.from_pretrained(tmp_path / "g")
    assert (vocoder(log_mel) - expected).abs().max() < 4e-5
    assert json.loads(json.dumps(vocoder.config.to_official())) == official
    (tmp_path / "ours").mkdir()
    vocoder.save_pretrained(tmp_path / "ours")
    again = Vocoder.from_pretrained(tmp_path / "ours")
    assert again.config == vocoder.config
    assert torch.equal(again(log_mel), vocoder(log_mel))
    other = dict(official, resblock="1" if official["resblock"] == "2" else "2")
    with pytest.raises(CheckpointError, match=r"lacks resblocks\.0\.convs"):
        Vocoder.from_pretrained(tmp_path / "g", VocoderConfig.from_official(other))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("resblock", "3", "residual_type='3' is not possible"),
        ("resblock", 1, "residual_type=1 is not possible"),
        ("upsample_rates", [8, 8], "2 rates and 3 kernels"),
        ("upsample_rates", [8, 8, 0], r"rates\[2\]=0 is not possible"),
        ("upsample_rates", [8, 17, 4], r"kernels=\(16, 16, 8\) are not possible"),
        ("upsample_kernel_sizes", "16", "kernels='16' is not possible"),
        ("upsample_initial_channel", 36, "width=36 is not possible: it is halved 3 times"),
        ("upsample_initial_channel", 10**12, "width=1000000000000 is not possible"),
        ("resblock_kernel_sizes", [3, 4], "residual kernel 4 is not possible"),
        ("resblock_dilation_sizes", [[1, 2]], "2 residual_kernels and 1 residual_dilations"),
        ("resblock_dilation_sizes", [[1, 2], [1.5]], r"residual_dilations\[1\]\[0\]=1\.5"),
        ("num_mels", None, "mels=None is not possible"),
    ],
)
def test_configurations_that_are_none_are_named(tmp_path, field, value, said):
    (tmp_path / "g.json").write_text(json.dumps(TYPES["2"] | {field: value}))
    torch.save({"generator": {}}, tmp_path / "g")
    with pytest.raises(
        CheckpointError, match=rf"g\.json is no configuration of HiFi-GAN's generator: {said}"
    ):
        Vocoder.from_pretrained(tmp_path / "g")


def test_a_vocoder_for_other_spectrograms_says_so():
    vocoder = Vocoder(VocoderConfig(mels=80, width=16))
    with pytest.raises(UIO2Error, match=r"reads \[time, 80\]; the power is \[256, 128\]"):
        vocoder.wave(np.ones((256, 128), np.float32))


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
