"""The oracle's actions survive being written as text: few seeds here, 200 in `tests.policies.round_trip`."""

import pytest

from tests.policies.round_trip import oracle_successes


@pytest.mark.parametrize("task", ["rotate", "visual_manipulation"])
def test_what_the_oracle_solves_its_text_solves(task):
    seeds = range(5_100_000, 5_100_010)
    direct = oracle_successes(task, seeds)
    assert sum(direct) >= 9
    text = oracle_successes(task, seeds, through_text=True)
    assert [seed for seed, a, b in zip(seeds, direct, text, strict=True) if a and not b] == []
