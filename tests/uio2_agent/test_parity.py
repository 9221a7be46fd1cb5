"""The parity command on the recorded cases, and that it notices when something is off."""

import shutil

import numpy as np
import pytest

from tests import parity
from uio2_agent.layers import Attention


@pytest.fixture(scope="module")
def recorded(shared):
    return shared / "fixtures/uio2"


@pytest.mark.parametrize("case", sorted([*parity.CASES, *parity.PARTS, "tokenizer"]))
def test_case(recorded, case):
    results = parity.run(recorded, case)
    assert results
    for stem, errors in results.items():
        assert not parity.off(errors), (stem, errors)


def test_exit_codes(recorded, capsys):
    assert parity.main([str(recorded), "--case", "text_only"]) == 0
    assert parity.main([str(recorded), "--case", "a__text_only"]) == 0
    assert parity.main([str(recorded), "--case", "prep__audio"]) == 0
    assert "not yet" in capsys.readouterr().out
    assert parity.main([str(recorded), "--case", "prep__audio", "--strict"]) == 1
    assert parity.main([str(recorded), "--case", "no_such_case"]) == 2
    assert parity.main([str(recorded / "cases")]) == 2


@pytest.mark.parametrize(
    ("case", "array", "message"),
    [
        ("text_only", "out/text/logits", "logits"),
        ("generate_text_greedy", "out/sequences", "sequences"),
        ("encoders_tokenizers", "out/vitvqgan/indices", "vitvqgan/indices"),
    ],
)
def test_a_difference_is_found(recorded, tmp_path, capsys, case, array, message):
    shutil.copytree(recorded / "weights", tmp_path / "weights")
    (tmp_path / "cases").mkdir()
    arrays = dict(np.load(recorded / "cases" / f"a__{case}.npz"))
    changed = arrays[array].copy()
    changed[0, 1] += 1
    np.savez(tmp_path / "cases" / f"a__{case}.npz", **arrays | {array: changed})
    assert parity.main([str(tmp_path)]) == 1
    assert message in capsys.readouterr().out


def test_a_changed_model_is_found(recorded, monkeypatch):
    keys_values = Attention.keys_values
    monkeypatch.setattr(
        Attention, "keys_values", lambda self, context, rotary: keys_values(self, context, None)
    )
    assert parity.off(parity.run(recorded, "text_only")["a__text_only"])
