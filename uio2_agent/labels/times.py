"""Stretches of time as location tokens: start and end of each, as parts of what is shown.

Seconds count from the start of what is shown. The tokens are ours: Unified-IO 2 says that times are predicted
and not how they are written.
"""

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import checked, read_values, write_values


def write_times(times: np.ndarray, seconds: float) -> str:
    """Write stretches [n, 2], start and end in seconds, of so many seconds that are shown; what reaches
    outside is cut.

    Raises UIO2Error for a stretch that ends before it starts, or nothing that is shown.

    >>> write_times(np.array([[1.0, 2.0]]), 4.0)
    '<extra_id_449> <extra_id_699>'
    """
    times = checked(times, 2, "times")
    if not seconds > 0:
        raise UIO2Error(f"times are parts of the seconds that are shown, and these are {seconds}: give more")
    if (times[:, 0] > times[:, 1]).any():
        at = int(np.flatnonzero(times[:, 0] > times[:, 1])[0])
        raise UIO2Error(f"stretch {at} is {times[at].tolist()}: a start comes first, swap them")
    return write_values(times / seconds)


def read_times(text: str, seconds: float) -> np.ndarray:
    """Read stretches [n, 2], start and end in seconds, from text, as a model wrote them: an end may come
    before its start.
    """
    return read_values(text, 2) * seconds
