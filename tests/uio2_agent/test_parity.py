"""The parity command on the recorded cases, and that it notices when something is off."""

import shutil

import numpy as np
import pytest

from tests.parity.__main__ import main
from tests.parity.registry import CHECKS, check_of, run
from uio2_agent.layers import Attention


@pytest.fixture(scope="module")
def recorded(shared):
    return shared / "fixtures/uio2"


@pytest.mark.parametrize("kind", sorted(CHECKS))
def test_case(recorded, kind):
    if not any((recorded / "cases").glob(f"*__{kind}.*")):
        pytest.skip(f"no case of kind {kind} is recorded here")
    for case, errors in run(recorded, kind):
        assert not check_of(case).off(errors), (case.path.stem, errors)


def test_every_recorded_case_has_a_check(recorded):
    kinds = {path.stem.partition("__")[2] for path in (recorded / "cases").glob("*.*")}
    assert kinds <= set(CHECKS)


def test_exit_codes(recorded, tmp_path, capsys):
    assert main([str(recorded), "--case", "text_only", "--strict"]) == 0
    assert main([str(recorded), "--case", "a__text_only"]) == 0
    assert main([str(recorded), "--case", "no_such_case"]) == 2
    assert main([str(recorded / "cases")]) == 2
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a__something_new.npz").write_bytes(b"")
    assert main([str(tmp_path)]) == 0
    assert "not yet" in capsys.readouterr().out
    assert main([str(tmp_path), "--strict"]) == 1


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
