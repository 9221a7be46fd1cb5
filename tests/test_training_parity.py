"""The command that compares training code with the official one, on the recorded cases."""

import json
import shutil

import numpy as np
import pytest

from tests.training_parity.__main__ import main
from tests.training_parity.registry import checks, kind_of, recorded, run


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "fixtures/training"


def test_everything_recorded_is_as_recorded(folder, capsys):
    assert main([str(folder), "--strict"]) == 0
    assert "OFF" not in capsys.readouterr().out


def test_exit_codes(folder, tmp_path, capsys):
    assert main([str(folder), "--case", "span_counts", "--strict"]) == 0
    assert main([str(folder), "--case", "no_such_case"]) == 2
    assert main([str(tmp_path / "absent")]) == 2
    shutil.copyfile(folder / "vocab_layout.json", tmp_path / "other__vocab_layout.json")
    assert main([str(tmp_path), "--case", "vocab_layout", "--strict"]) == 0
    (tmp_path / "something_new.json").write_text('{"cases": [{}]}')
    assert main([str(tmp_path)]) == 0
    assert "not yet" in capsys.readouterr().out
    assert main([str(tmp_path), "--strict"]) == 1
    (tmp_path / "span_counts.json").write_text('{"cases": []}')
    assert main([str(tmp_path), "--case", "span_counts"]) == 1
    assert "holds no cases" in capsys.readouterr().out


def changed(value):
    """Change a recorded number, text or list of them so that it is another one."""
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [changed(item) if index == 0 else item for index, item in enumerate(value)]
    return value + 1


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("vocab_layout", "total"),
        ("location_tokens", "ids"),
        ("boxes_to_text", "text_comma"),
        ("resize_boxes", "image_info"),
        ("undo_box_preprocessing", "out"),
        ("vima_actions", "actions"),
        ("autoregressive_inputs", "with_segments"),
        ("span_corruption", "targets"),
        ("span_counts", "n_spans"),
        ("span_lengths", "targets_length"),
        ("lr_schedule", "lr"),
        ("pair_examples", "pairs"),
        ("batch_with_constraints", "batches"),
    ],
)
def test_a_difference_is_found(folder, tmp_path, capsys, name, entry):
    held = json.loads((folder / f"{name}.json").read_text())
    held["cases"][0][entry] = changed(held["cases"][0][entry])
    (tmp_path / f"{name}.json").write_text(json.dumps(held))
    assert main([str(tmp_path)]) == 1
    assert f"{name}, case 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("image_targets", "attn_pattern_mask"),
        ("image_targets", "input_tokens"),
        ("sparse_patterns", "conv3"),
        ("pack_sequences", "packed_mask"),
        ("packed_attention_masks", "cross_mask"),
        ("adafactor", "p2_b.scale"),
        ("cross_entropy", "grad_logits"),
        ("classifier_free_guidance", "out"),
        ("location_logit_rule", "argmax"),
    ],
)
def test_a_difference_of_arrays_is_found(folder, tmp_path, name, entry):
    arrays = dict(np.load(folder / f"{name}.npz"))
    arrays[f"0/{entry}"] = arrays[f"0/{entry}"].copy()
    arrays[f"0/{entry}"].reshape(-1)[-1] += 1
    np.savez(tmp_path / f"{name}.npz", **arrays)
    (path,) = recorded(tmp_path)
    assert [outcome.case for outcome in run(path, checks()[kind_of(path)]) if outcome.verdict == "OFF"] == [0]
