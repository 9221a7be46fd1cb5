"""Files that do not belong together or are not what was written: named, and nothing is loaded."""

import dataclasses
import json
import shutil
import struct
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file

from policies.loading import load_policy
from tests.uio2_agent.tiny import requests, tiny_config, tiny_model
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.convert import convert
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.inputs.processor import Processor
from uio2_agent.text.tokenizer import SMALL_MODEL, TextTokenizer
from uio2_agent.text.train_small_tokenizer import train
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig
from uio2_agent.unified_io2 import UnifiedIO2
from uio2_agent.weights import check_finite


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A tokenizer of the same size and layout as the packaged one, with other words."""
    path = tmp_path_factory.mktemp("other") / "tokenizer.model"
    train([f"w{i:x} q{i * 7919 % 4093:x}" for i in range(3000)], path)
    assert TextTokenizer(path).vocabulary.size == TextTokenizer.packaged().vocabulary.size
    return path


@pytest.fixture
def nano(tmp_path):
    """A copy of the packaged model."""
    return shutil.copytree(checkpoint_directory("nano"), tmp_path / "nano")


def without_tokenizer_hash(directory):
    """Make of a directory one from before there were hashes and notes."""
    values = json.loads((directory / "config.json").read_text())
    del values["tokenizer"]
    (directory / "config.json").write_text(json.dumps(values))
    save_file(load_file(directory / "model.safetensors"), directory / "model.safetensors")


def test_another_tokenizer_is_refused_at_every_door(nano, other, tmp_path):
    said = "is not the tokenizer that the model was made with"
    with pytest.raises(UIO2Error, match=said):
        UnifiedIO2.from_pretrained(nano, tokenizer=other)
    with pytest.raises(UIO2Error, match=said):
        load_policy("nano", tokenizer=str(other))
    with pytest.raises(UIO2Error, match=said):
        Processor(UnifiedIO2.from_pretrained(nano).config, TextTokenizer(other))
    with pytest.raises(UIO2Error, match=said):
        convert(nano, tmp_path / "converted", tokenizer=other)
    shutil.copyfile(other, nano / "tokenizer.model")
    for load in (UnifiedIO2.from_pretrained, load_policy):
        with pytest.raises(UIO2Error, match=said) as error:
            load(str(nano))
        assert "\n" not in str(error.value)
    assert UnifiedIO2.from_pretrained(nano, tokenizer=SMALL_MODEL).processor is not None


def test_a_saved_or_converted_model_knows_its_tokenizer(other, tmp_path):
    model = tiny_model()
    model.processor = Processor(model.config, TextTokenizer(other))
    directory = model.save_pretrained(tmp_path / "saved")
    copy = convert(directory, tmp_path / "copy")
    alone = UnifiedIO2.from_pretrained(directory, processor=False).save_pretrained(tmp_path / "alone")
    for place in (directory, copy, alone):
        assert json.loads((place / "config.json").read_text())["tokenizer"] == (
            TextTokenizer(other).vocabulary.hash()
        )
        with pytest.raises(UIO2Error, match="is not the tokenizer"):
            UnifiedIO2.from_pretrained(place, tokenizer=SMALL_MODEL)


def test_a_checkpoint_from_before_the_hash_loads_with_a_tokenizer_of_its_size(nano, other):
    without_tokenizer_hash(nano)
    assert UnifiedIO2.from_pretrained(nano).config.tokenizer is None
    assert UnifiedIO2.from_pretrained(nano, tokenizer=other).processor is not None
    (nano / "tokenizer.model").unlink()
    train([f"w{i:x}" for i in range(3000)], nano / "tokenizer.model", 900)
    with pytest.raises(UIO2Error, match="ids, the model 2048 rows"):
        UnifiedIO2.from_pretrained(nano)


@pytest.mark.parametrize(
    ("change", "name"),
    [({"grid_scale": 1.5}, "grid_scale"), ({"heads": 4, "head_dim": 8}, "heads"), ({"width": 32}, "")],
)
def test_weights_and_configuration_of_two_models_of_equal_shapes_are_told_apart(tmp_path, change, name):
    """Neither the grid's scale nor how a width is cut into heads shows in a shape without query norms."""
    config = tiny_config(qk_norm=False)
    places = []
    for number, changed in enumerate((config, dataclasses.replace(config, **change))):
        places.append(UnifiedIO2(changed).save_pretrained(tmp_path / str(number)))
    shutil.copyfile(places[1] / "config.json", places[0] / "config.json")
    if not name:
        assert UnifiedIO2.from_pretrained(places[0], processor=False).config == config
        return
    with pytest.raises(CheckpointError, match=f"says {name}=.*put the files of one model together"):
        UnifiedIO2.from_pretrained(places[0], processor=False)
    with pytest.raises(CheckpointError, match="put the files of one model together"):
        convert(places[0], tmp_path / "converted")


def test_limits_may_be_changed_and_weights_written_by_others_have_no_note(nano):
    path = nano / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"text_input_length": 300, "freeze_vit": True}))
    assert UnifiedIO2.from_pretrained(nano).config.text_input_length == 300
    path.write_text(json.dumps(values | {"drop_background": False}))
    with pytest.raises(CheckpointError, match=r"says drop_background=False, and .* was written with True"):
        UnifiedIO2.from_pretrained(nano)
    save_file(load_file(nano / "model.safetensors"), nano / "model.safetensors")
    assert UnifiedIO2.from_pretrained(nano).config.drop_background is False


def test_a_flipped_bit_anywhere_in_the_weights_is_seen(tmp_path):
    directory = tiny_model().save_pretrained(tmp_path / "model")
    path = directory / "model.safetensors"
    whole = path.read_bytes()
    (header,) = struct.unpack("<Q", whole[:8])
    first, last = 8 + header, len(whole) - 1
    for place in (first, first + 3, (first + last) // 2, last, whole.index(b"data_offsets") + 15):
        broken = bytearray(whole)
        broken[place] ^= 4
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
            UnifiedIO2.from_pretrained(directory)
        with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
            convert(directory, tmp_path / "converted")
    path.write_bytes(whole)
    assert UnifiedIO2.from_pretrained(directory).generate(requests()[1], max_new_tokens=1) is not None


def test_a_flipped_bit_in_a_vocoder_is_seen(tmp_path):
    Vocoder(VocoderConfig(width=16)).save_pretrained(tmp_path)
    path = tmp_path / "vocoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"vocoder\.safetensors is damaged"):
        Vocoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda value: value * float("nan"), r"NaN or infinity in encoder\.norm\.scale.*training diverged"),
        (lambda value: value.to_sparse(), r"encoder\.norm\.scale as sparse or meta tensors"),
        (lambda value: value.to("meta"), r"encoder\.norm\.scale as sparse or meta tensors"),
    ],
    ids=["nan", "sparse", "meta"],
)
def test_tensors_that_hold_no_numbers_are_named(tmp_path, spoil, said):
    directory = tiny_model().save_pretrained(tmp_path / "model")
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    weights["encoder.norm.scale"] = spoil(weights["encoder.norm.scale"])
    torch.save(weights, directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=said):
        UnifiedIO2.from_pretrained(directory)


def test_one_number_that_is_none_is_seen_anywhere(tmp_path, monkeypatch):
    """In a large file, whose matrices are not read for this, in their first and last rows."""
    weights = load_file(tiny_model().save_pretrained(tmp_path / "model") / "model.safetensors")
    name = max(weights, key=lambda each: weights[each].numel())
    for at, seen in ((0, True), (-1, True), (1, False)):
        spoilt = weights[name].clone()
        spoilt[at].view(-1)[0] = float("-inf")
        with pytest.raises(CheckpointError, match=f"infinity in {name}"):
            check_finite(weights | {name: spoilt}, "there")
        with monkeypatch.context() as context:
            context.setattr("uio2_agent.weights._READ_WHOLE", 0)
            with pytest.raises(CheckpointError) if seen else nullcontext():
                check_finite(weights | {name: spoilt}, "there")


def test_names_of_strangers_stay_on_one_line(tmp_path):
    directory = tiny_model().save_pretrained(tmp_path / "model")
    weights = load_file(directory / "model.safetensors")
    for name in ("a\nb", "x" * 100_000, "\x1b[31m"):
        save_file(weights | {name: torch.zeros(1)}, directory / "model.safetensors")
        with pytest.raises(CheckpointError, match="has unknown") as error:
            UnifiedIO2.from_pretrained(directory)
        assert str(error.value).isprintable() and len(str(error.value)) < 500


def test_other_programs_read_what_was_written(tmp_path):
    """The checksum and the note are metadata of the format."""
    model = tiny_model()
    weights = load_file(model.save_pretrained(tmp_path / "model") / "model.safetensors")
    assert weights.keys() == model.state_dict().keys()


def test_a_style_for_a_body_that_is_not_installed_is_said(nano):
    style = json.loads((nano / "policy.json").read_text())["prompt"]
    (nano / "policy.json").write_text(json.dumps({"styles": {"arm": style}}))
    with pytest.warns(
        UserWarning, match="style for the embodiment 'arm', which is not installed; here are vima"
    ):
        load_policy(str(nano))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"views": ["side"]}, "no camera 'side'; choose from front, top"),
        ({"object_view": "side"}, "no camera 'side'"),
        ({"wording": "long"}, "wording 'long' is unknown; use one of"),
        ({"told_steps": True}, r"style\.told_steps=True is not possible: it takes a whole number 1 to 1,000"),
        ({"views": ["top", "top"]}, "names a camera more than once"),
    ],
)
def test_a_style_that_its_body_cannot_have_is_refused_when_it_is_loaded(nano, change, said):
    values = json.loads((nano / "policy.json").read_text())
    values["prompt"] |= change
    (nano / "policy.json").write_text(json.dumps(values))
    with pytest.raises(UIO2Error, match=rf"policy\.json.*{said}"):
        load_policy(str(nano))
