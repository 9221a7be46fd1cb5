"""The two statements about success that the commands make, both exact about few episodes. Nothing of ours
inside: scipy computes them.
"""

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
