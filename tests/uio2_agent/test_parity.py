"""The parity command on the recorded cases, and that it notices when something is off."""

import shutil

import numpy as np
import pytest

from tests.parity.__main__ import main
from tests.parity.compare import Case
from tests.parity.registry import CHECKS, PREPARATION_CHECKS, check_of, run
from uio2_agent.network.layers import Attention


@pytest.fixture(scope="module")
def recorded(shared):
    return shared / "fixtures/uio2"


UNITS = ("hifigan", "layers", "positions_masks", "vqgan4")


@pytest.mark.parametrize("kind", sorted([*CHECKS, *PREPARATION_CHECKS, *UNITS]))
def test_case(recorded, kind):
    if not any((recorded / "cases").glob(f"*__{kind}.*")):
        pytest.skip(f"no case of kind {kind} is recorded here")
    for case, errors in run(recorded, kind):
        assert not check_of(case).off(errors), (case.path.stem, errors)


def test_every_recorded_case_has_a_check(recorded):
    stems = {path.with_suffix("") for path in (recorded / "cases").glob("*.*")}
    assert stems
    assert all(check_of(Case(stem)) for stem in stems)


def test_a_case_of_another_name_is_known_by_its_arrays(recorded, tmp_path):
    (tmp_path / "weights").symlink_to(recorded / "weights")
    (tmp_path / "cases").mkdir()
    for kind in ("history_to_text", "generate_text_early", "answers"):
        source = {"generate_text_early": "generate_text_greedy", "answers": "score_options"}.get(kind, kind)
        shutil.copyfile(recorded / f"cases/a__{source}.npz", tmp_path / f"cases/a__my_{kind}.npz")
    found = list(run(tmp_path))
    assert len(found) == 3
    assert all(errors and not check_of(case).off(errors) for case, errors in found)


def test_exit_codes(recorded, tmp_path, capsys):
    assert main([str(recorded), "--case", "text_only", "--strict"]) == 0
    assert main([str(recorded), "--case", "a__text_only"]) == 0
    assert main([str(recorded), "--case", "no_such_case"]) == 2
    assert main([str(recorded / "cases")]) == 2
    (tmp_path / "cases").mkdir()
    np.savez(tmp_path / "cases" / "a__something_new.npz", new=np.zeros(1))
    assert main([str(tmp_path)]) == 0
    assert "not yet" in capsys.readouterr().out
    assert main([str(tmp_path), "--strict"]) == 1
    np.savez(tmp_path / "cases" / "a__text_only.npz", new=np.zeros(1))
    assert main([str(tmp_path)]) == 1
    assert "FileNotFoundError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "array", "message"),
    [
        ("text_only", "out/text/logits", "logits"),
        ("generate_text_greedy", "out/sequences", "sequences"),
        ("generate_text_beam3", "out/sequences", "sequences"),
        ("encoders_tokenizers", "out/vitvqgan/indices", "vitvqgan/indices"),
        ("image_target", "aux/patched_pattern_applied_logits", "patched_pattern_applied_logits"),
    ],
)
def test_a_difference_is_found(recorded, tmp_path, capsys, case, array, message):
    shutil.copytree(recorded / "weights", tmp_path / "weights")
    (tmp_path / "cases").mkdir()
    arrays = dict(np.load(recorded / "cases" / f"a__{case}.npz"))
    changed = arrays[array].copy()
    changed[0, 1] += 1
    np.savez(tmp_path / "cases" / f"a__{case}.npz", **arrays | {array: changed})
    assert main([str(tmp_path)]) == 1
    assert message in capsys.readouterr().out


def test_a_changed_model_is_found(recorded, monkeypatch):
    keys_values = Attention.keys_values
    monkeypatch.setattr(
        Attention, "keys_values", lambda self, context, rotary: keys_values(self, context, None)
    )
    ((case, errors),) = run(recorded, "text_only")
    assert check_of(case).off(errors)
