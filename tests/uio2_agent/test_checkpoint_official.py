"""Official directories in every form: the same numbers, and every way they can be broken, named."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from tests.parity.compare import Case, distance
from tests.parity.forward import official_batch
from tests.uio2_agent.official import FORMS, half, official_directory, official_weights
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.checkpoint import check_stored
from uio2_agent.formats.official_names import name_from_official, official_names
from uio2_agent.unified_io2 import UnifiedIO2


@torch.inference_mode()
def logits_off(shared, model, kind):
    """Return how far the logits are from the recorded ones."""
    arrays = Case(shared / f"fixtures/uio2/cases/a__{kind}.npz").arrays
    logits = model(official_batch(arrays)).logits["text"]
    return distance(arrays["out/text/logits"], logits, arrays["out/text/mask"] > 0)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_official_logits(shared, tmp_path, form):
    directory = official_directory(shared, tmp_path / "model", form)
    model = UnifiedIO2.from_pretrained(directory, processor=False)
    assert model.processor is None and model.vocoder is None and not model.training
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert logits_off(shared, model, "all_to_text") < 1e-4
    with torch.device("meta"):
        fresh = UnifiedIO2(model.config)
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trained == {name for name, value in fresh.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("form", ["pickle", "sharded safetensors"])
def test_half_precision_stays_mixed_or_becomes_what_is_asked_for(shared, tmp_path, form):
    weights = half(official_weights(shared))
    directory = official_directory(shared, tmp_path / "model", form, weights)
    model = UnifiedIO2.from_pretrained(directory, processor=False)
    stored = {name_from_official(name): value for name, value in weights.items()}
    assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    assert logits_off(shared, model, "all_to_text_bf16") < 0.15  # of logits up to 8, in bfloat16
    wide = UnifiedIO2.from_pretrained(directory, processor=False, dtype=torch.float32)
    assert all(torch.equal(value, stored[name].float()) for name, value in wide.state_dict().items())


def test_a_precision_asked_for_leaves_vits_and_tokenizers_exact(shared, tmp_path):
    directory = official_directory(shared, tmp_path / "model", "safetensors")
    model = UnifiedIO2.from_pretrained(directory, processor=False, dtype=torch.bfloat16)
    expected = half(official_weights(shared))
    names = official_names(model.config, model.state_dict())
    assert all(torch.equal(value, expected[names[k]]) for k, value in model.state_dict().items())


def test_weights_go_to_the_device_asked_for(shared, tmp_path):
    directory = official_directory(shared, tmp_path / "model")
    model = UnifiedIO2.from_pretrained(directory, processor=False, device="meta", dtype=torch.bfloat16)
    assert {value.device.type for value in model.parameters()} == {"meta"}
    assert model.encoder.norm.scale.dtype == torch.bfloat16


def test_without_image_inputs_the_vit_lies_below_the_history(shared, tmp_path):
    """The official code then names the ViT after the history it reads."""
    above, below = "input_embedders.image.image_encoder.", "input_embedders.image_history.vit_image_encoder."
    weights = {
        name.replace(above, below): value
        for name, value in official_weights(shared).items()
        if name.startswith(above) or not name.startswith("input_embedders.image.")
    }
    directory = official_directory(shared, tmp_path / "model", "pickle", weights)
    config = json.loads((directory / "config.json").read_text())
    config["input_modalities"].remove("image")
    (directory / "config.json").write_text(json.dumps(config))
    assert (
        logits_off(shared, UnifiedIO2.from_pretrained(directory, processor=False), "history_to_text") < 1e-4
    )


def test_every_mismatch_is_listed_by_its_official_name(shared, tmp_path):
    weights = official_weights(shared)
    lost = [name for name in weights if name.startswith("decoder.layers_1.mlp")]
    table = "text_token_embedder.weight"
    broken = {name: value for name, value in weights.items() if name not in lost}
    broken |= {"decoder.extra": torch.zeros(1), "lm_head.weight": torch.zeros(1), table: torch.zeros(7, 64)}
    broken["encoder.encoder_norm.scale"] = torch.zeros(64, dtype=torch.int32)
    directory = official_directory(shared, tmp_path / "model", "pickle", broken)
    with pytest.raises(CheckpointError) as error:
        UnifiedIO2.from_pretrained(directory, processor=False)
    message = str(error.value)
    for part in [*lost, "decoder.extra", "lm_head.weight", f"{table} is [7, 64] instead of [512, 64]"]:
        assert part in message
    assert "encoder.encoder_norm.scale is torch.int32" in message
    assert message.count("\n") == 0


def test_long_lists_of_mismatches_are_counted(shared, tmp_path):
    weights = official_weights(shared)
    few = {name: value for name, value in weights.items() if not name.startswith("decoder.")}
    directory = official_directory(shared, tmp_path / "model", "safetensors", few)
    with pytest.raises(CheckpointError, match=rf"and {len(weights) - len(few) - 6} more"):
        UnifiedIO2.from_pretrained(directory, processor=False)


def test_the_listing_of_the_large_release_fits_and_a_change_to_it_does_not(shared):
    lines = (shared / "specs/uio2_large_state_dict.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    listed = {name: torch.empty(json.loads(shape), device="meta") for name, shape, _ in rows}
    with torch.device("meta"):
        model = UnifiedIO2(UnifiedIO2Config.preset("large"))
    check_stored(model, listed, True, "the listing")
    del listed["decoder.layers_23.encoder_decoder_attention.key_norm.scale"]
    with pytest.raises(CheckpointError, match=r"lacks decoder\.layers_23\.encoder_decoder_attention"):
        check_stored(model, listed, True, "the listing")


class Malicious:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("kind", ["archive", "old", "plain pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(shared, tmp_path, kind):
    directory = official_directory(shared, tmp_path / "model")
    path, mark = directory / "pytorch_model.bin", tmp_path / "mark"
    loaded = official_weights(shared) | {"encoder.encoder_norm.scale": Malicious(mark)}
    if kind == "plain pickle":
        path.write_bytes(pickle.dumps({"encoder.encoder_norm.scale": Malicious(mark)}, protocol=2))
    else:
        torch.save(loaded, path, _use_new_zipfile_serialization=kind == "archive")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is refused: it holds code") as error:
        UnifiedIO2.from_pretrained(directory, processor=False)
    assert "system" in str(error.value) and "\n" not in str(error.value) and not mark.exists()
    torch.load(path, weights_only=False) if kind == "archive" else pickle.loads(path.read_bytes())
    assert kind == "old" or mark.exists()  # the test of the test: the file would have done it


@pytest.mark.parametrize("form", ["pickle", "old pickle", "safetensors"])
def test_a_truncated_file_is_named(shared, tmp_path, form):
    directory = official_directory(shared, tmp_path / "model", form)
    path = next(p for p in directory.iterdir() if p.name != "config.json")
    whole = path.read_bytes()
    for length in (0, 1, 10, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=rf"{path.name} is damaged or cut short") as error:
            UnifiedIO2.from_pretrained(directory, processor=False)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html><body>Not found", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4320000000\n", "Git LFS pointer"),
        (b'{"error": "gated"}', "is JSON"),
    ],
)
def test_what_a_failed_download_left_is_named(shared, tmp_path, name, content, said):
    directory = official_directory(shared, tmp_path / "model")
    (directory / "pytorch_model.bin").unlink()
    (directory / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        UnifiedIO2.from_pretrained(directory, processor=False)


def test_a_pickle_of_something_else_is_named(shared, tmp_path):
    directory = official_directory(shared, tmp_path / "model")
    for content, said in (([1, 2], "holds a list"), ({"model": {}, "step": 3}, "model, step")):
        torch.save(content, directory / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match=said):
            UnifiedIO2.from_pretrained(directory, processor=False)


def test_shards_are_checked_against_their_index(shared, tmp_path):
    directory = official_directory(shared, tmp_path / "model", "sharded safetensors")
    index, second = directory / "model.safetensors.index.json", "model-00002-of-00003.safetensors"
    content = (directory / second).read_bytes()
    (directory / second).unlink()
    with pytest.raises(CheckpointError, match=f"shards that are missing: {second}"):
        UnifiedIO2.from_pretrained(directory, processor=False)
    save_file({"encoder.encoder_norm.scale": torch.zeros(64)}, directory / second)
    with pytest.raises(CheckpointError, match=r"holds encoder\.encoder_norm\.scale once more|lacks"):
        UnifiedIO2.from_pretrained(directory, processor=False)
    (directory / second).write_bytes(content)
    places = json.loads(index.read_text())
    places["weight_map"]["encoder.encoder_norm.scale"] = "../elsewhere.safetensors"
    index.write_text(json.dumps(places))
    with pytest.raises(CheckpointError, match=r"\.\./elsewhere.*must lie beside"):
        UnifiedIO2.from_pretrained(directory, processor=False)
    for content, said in (
        ("[]", "not an object of fields"),
        ('{"weight_map": []}', "no index of shards"),
        ('{"weight_map": {}}', "names no shards"),
    ):
        index.write_text(content)
        with pytest.raises(CheckpointError, match=said):
            UnifiedIO2.from_pretrained(directory, processor=False)


def test_no_weights_and_a_broken_configuration_are_named(shared, tmp_path):
    directory = official_directory(shared, tmp_path / "model")
    config = directory / "config.json"
    official = json.loads(config.read_text())
    cases = {
        r"lacks the field 't5_config\.emb_dim'": {
            k: v for k, v in official["t5_config"].items() if k != "emb_dim"
        },
        r"text_pos_emb='learned' is not supported": official["t5_config"] | {"text_pos_emb": "learned"},
        r"config\.json: t5_config=\[1, 2\] is not possible: it takes an object": [1, 2],
    }
    for said, main in cases.items():
        config.write_text(json.dumps(official | {"t5_config": main}))
        with pytest.raises(UIO2Error, match=said):
            UnifiedIO2.from_pretrained(directory, processor=False)
    config.write_text(json.dumps(official))
    (directory / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing.*pytorch_model\.bin"):
        UnifiedIO2.from_pretrained(directory, processor=False)


def test_dropout_and_masks_that_the_official_code_never_applies_do_not_matter(shared):
    official = json.loads((shared / "fixtures/uio2/weights/a.config.json").read_text())
    other = official | {"t5_config": official["t5_config"] | {"dropout_rate": 0.1, "dalle_attn_mask": False}}
    assert UnifiedIO2Config.from_official(other) == UnifiedIO2Config.from_official(official)
