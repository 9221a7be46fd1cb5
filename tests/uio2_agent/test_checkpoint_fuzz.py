"""Mutated checkpoints end in one line or are what they say; wrong types are refused field by field."""

import copy
import json
import random
import time

import pytest
from safetensors.torch import load_file, save_file

from policies.embodiments.vima import VIMA
from policies.style import PromptStyle
from tests.uio2_agent import checkpoint_fuzz
from tests.uio2_agent.checkpoint_fuzz import Fuzzer, places
from tests.uio2_agent.official_sizes import official_config
from tests.uio2_agent.tiny import full_config
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.unified_io2 import UnifiedIO2


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    return Fuzzer(tmp_path_factory.mktemp("fuzz"))


def outcomes(fuzzer, count, seed):
    found = {}
    for number in range(count):
        subject, place, file, done = fuzzer.mutate(random.Random(f"{seed} {number}"))
        outcome = fuzzer.judge(subject, place, file)
        found.setdefault(outcome if outcome in ("refused", "loaded") else "wrong", []).append(
            f"{number}: {subject.directory.name}/{file}, {done}: {outcome}"
        )
    return found


def test_mutated_checkpoints_are_refused_in_a_line_or_are_what_they_say(fuzzer):
    found = outcomes(fuzzer, 240, 0)
    assert not found.get("wrong"), "\n".join(found["wrong"])
    assert len(found["refused"]) > 120 and len(found["loaded"]) > 10


@pytest.mark.parametrize("module", ["uio2_agent.config", "uio2_agent.weights"])
def test_the_fuzzer_sees_a_check_that_is_left_out(fuzzer, monkeypatch, module):
    """The test of the test."""
    if module == "uio2_agent.config":
        monkeypatch.setattr("uio2_agent.fields._is", lambda value, kind: True)
        monkeypatch.setattr("uio2_agent.fields._within", lambda value, bound: True)
        kinds = ("json",)
    else:
        monkeypatch.setattr("uio2_agent.weights._check_sum", lambda path, said: None)
        kinds = ("weights",)
    monkeypatch.setattr(checkpoint_fuzz, "KINDS", kinds)
    assert outcomes(fuzzer, 40, 0).get("wrong")


WRONG = ("2048", 1.5, True, None, {}, [], [[]], -1, 10**12, float("nan"), float("inf"), 10**400)


def subjects():
    """Plain dictionaries with a value in every field, and what reads them."""
    ours = full_config(
        audio_history_size=(16, 8),
        audio_history_tokens=8,
        tokenizer="0" * 16,
    ).to_dict()
    for part in ("image_history", "audio_history"):
        ours[part] |= {"clip_logit": 2.0}
    yield "ours", json.loads(json.dumps(ours)), UnifiedIO2Config.from_dict
    yield "official", official_config("every_second"), UnifiedIO2Config.from_official
    yield "style", VIMA.style(small=True).to_dict(), PromptStyle.from_dict


MAY_BE_NULL = {
    *("audio_encoder", "image_history.clip_logit", "audio_history.clip_logit", "audio_history_size"),
    *("audio_history_tokens", "tokenizer", "image_history_cfg.clip_attn_logit"),
    *("audio_history_cfg.clip_attn_logit", "image_history_cfg.xattention_index"),
    "audio_history_cfg.xattention_index",
}


def fits(old, value, where):
    """Return whether a value is one that a field with this old value may have."""
    if value is None:
        return where in MAY_BE_NULL
    if isinstance(old, bool):
        return value is True
    if isinstance(old, float) or where.endswith(("clip_attn_logit", "dropout")):
        return type(value) is float and 0 < value < 10
    if isinstance(old, str):
        return value == "2048" and (
            "checkpoint_path" in where
            or where in ("object_view", "wording", "views.0", "views.1", "drawn_views.0")
        )
    if isinstance(old, list):
        return value == [] and where.split(".")[-1] in (
            *("attention_resolutions", "attn_resolutions", "views", "drawn_views", "dropout_broadcast_dims"),
        )
    return value == -1 and "dropout_broadcast_dims" in where


@pytest.mark.parametrize(("name", "whole", "read"), [*subjects()], ids=lambda value: str(value)[:8])
def test_each_field_refuses_what_is_not_of_its_type_and_names_itself(name, whole, read):
    read(whole)
    tried = 0
    for path in places(whole):
        where = ".".join(map(str, path))
        for value in WRONG:
            changed = copy.deepcopy(whole)
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            old, holder[path[-1]] = holder[path[-1]], value
            if fits(old, value, where) or value == old:
                continue
            with pytest.raises(UIO2Error) as error:
                read(changed)
                pytest.fail(f"{where}={str(value)[:20]} was taken for {old!r}")
            said, last = str(error.value), [key for key in path if isinstance(key, str)][-1]
            assert last in said and "\n" not in said and len(said) < 500, (where, value, said)
            tried += 1
    assert tried > {"ours": 900, "official": 1400, "style": 80}[name]


def test_a_configuration_of_terabytes_is_refused_before_anything_is_built(tmp_path):
    """Each value is in its range; all together need more memory than there is."""
    source = checkpoint_directory("nano")
    for name in ("model.safetensors", "tokenizer.model"):
        (tmp_path / name).symlink_to(source / name)
    values = json.loads((source / "config.json").read_text())
    tower = {"width": 65_536, "mlp_dim": 65_536, "layers": 512, "positions": [256, 256]}
    changes = {
        "layers": {"encoder_layers": 512, "decoder_layers": 512},
        "tables": {"text_rows": 16_777_216},
        "towers": {"image_encoder": values["image_encoder"] | tower},
        "positions": {"image_encoder": values["image_encoder"] | {"positions": [256, 256], "width": 65_536}},
    }
    weights = load_file(source / "model.safetensors")
    for noted in (True, False):
        if not noted:  # as others write it
            (tmp_path / "model.safetensors").unlink()
            save_file(weights, tmp_path / "model.safetensors")
        for change in changes.values():
            (tmp_path / "config.json").write_text(json.dumps(values | change))
            start = time.process_time()
            with pytest.raises(UIO2Error, match=r"put the files of one model together|of another model"):
                UnifiedIO2.from_pretrained(tmp_path)
            assert time.process_time() - start < checkpoint_fuzz.SECONDS
