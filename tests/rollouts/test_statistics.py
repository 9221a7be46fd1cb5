"""Intervals and tests against their definitions, computed here by brute force."""

from math import comb, isclose, sqrt

import pytest

from rollouts.results.statistics import mcnemar, wilson

Z = 1.959963984540054


@pytest.mark.parametrize(("successes", "episodes"), [(0, 1), (0, 10), (3, 7), (8, 10), (200, 200)])
def test_wilson_bounds_solve_the_score_equation(successes: int, episodes: int) -> None:
    """At either bound p, the observed rate lies exactly z standard errors of p away."""
    rate = successes / episodes
    low, high = wilson(successes, episodes)
    assert 0 <= low <= rate <= high <= 1
    for bound in (low, high):
        distance = abs(rate - bound)
        assert isclose(distance, Z * sqrt(bound * (1 - bound) / episodes), rel_tol=1e-6, abs_tol=1e-9)


def test_wilson_without_episodes_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 9), (9, 1), (5, 5), (0, 6), (12, 3)])
def test_mcnemar_sums_the_splits_no_likelier_than_this_one(first: int, second: int) -> None:
    n = first + second
    likelihood = [comb(n, k) / 2**n for k in range(n + 1)]
    expected = sum(p for p in likelihood if p <= likelihood[first] * (1 + 1e-9))
    assert isclose(mcnemar(first, second), expected, rel_tol=1e-9)
    assert mcnemar(first, second) == mcnemar(second, first)
