"""The oracle's actions survive being written as text: few seeds here, hundreds in `tests.policies.round_trip`."""

import importlib.util

import pytest

if importlib.util.find_spec("envs.vima.env") is None and importlib.util.find_spec("envs.__init__") is None:
    pytest.skip("the tabletop environments are not built yet", allow_module_level=True)

from tests.policies.round_trip import oracle_successes


@pytest.mark.parametrize("task", ["rotate", "visual_manipulation"])
def test_what_the_oracle_solves_its_text_solves(task):
    seeds = range(5_100_000, 5_100_010)
    direct = oracle_successes(task, seeds)
    assert sum(direct) >= 9
    text = oracle_successes(task, seeds, through_text=True)
    assert [a for a, b in zip(direct, text, strict=True) if a and not b] == []
