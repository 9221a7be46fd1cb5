"""The statements about success that the commands make: of a rate, of a mean of rates, of a difference. What
can be had from scipy is scipy's.
"""

import math
from collections.abc import Sequence

from scipy.stats import binomtest


def wilson(successes: int, episodes: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a success rate; (0, 1) without episodes."""
    if episodes == 0:
        return 0.0, 1.0
    interval = binomtest(successes, episodes).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: the probability of so uneven a split of the seeds on which two policies
    differ.

    `only_first` counts the seeds that only the first policy solves, `only_second` those that only the second
    does; seeds on which they agree say nothing about the difference.
    """
    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0


def mean_interval(
    rates: Sequence[float], intervals: Sequence[tuple[float, float]], weights: Sequence[float]
) -> tuple[float, float]:
    """Interval of a weighted mean of independent success rates, from the interval of each.

    The distances of the bounds from their rates are added in squares (the method of variance estimates
    recovery), so the interval keeps the asymmetry that Wilson's has near 0 and 1, and tasks may have
    different numbers of episodes. Weights add up to 1.
    """
    mean = sum(weight * rate for weight, rate in zip(weights, rates, strict=True))
    parts = list(zip(rates, intervals, weights, strict=True))
    below = math.sqrt(sum((weight * (rate - low)) ** 2 for rate, (low, _), weight in parts))
    above = math.sqrt(sum((weight * (high - rate)) ** 2 for rate, (_, high), weight in parts))
    return max(0.0, mean - below), min(1.0, mean + above)
