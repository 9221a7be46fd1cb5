"""The measures of navigation tasks, from distances alone.

Source: habitat-lab's measures (success, SPL, SoftSPL); Anderson et al. 2018 for SPL.
"""


def efficiency(shortest: float, walked: float) -> float:
    """Return the share of the way walked that was needed, 1 where none was.

    >>> efficiency(4.0, 5.0), efficiency(4.0, 3.5), efficiency(0.0, 0.0)
    (0.8, 1.0, 1.0)
    """
    longest = max(shortest, walked)
    return shortest / longest if longest > 0 else 1.0


def spl(succeeded: bool, shortest: float, walked: float) -> float:
    """Return success weighted by the inverse path length."""
    return float(succeeded) * efficiency(shortest, walked)


def soft_spl(succeeded: bool, distance: float, shortest: float, walked: float) -> float:
    """Return the progress made, from 0 to 1, weighted likewise. Where the goal is at the start, it is `spl`.

    >>> round(soft_spl(False, 1.0, 4.0, 5.0), 3)
    0.6
    """
    progress = max(0.0, 1 - distance / shortest) if shortest > 0 else float(succeeded)
    return progress * efficiency(shortest, walked)
