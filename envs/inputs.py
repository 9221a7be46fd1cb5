"""Reading what a caller gives: numbers of a shape and range, whole numbers; all else is one clear EnvError.

Unusual: nothing is converted that is not a number. Text, truth values, complex numbers and arrays of Python
objects are refused where numpy would make numbers of them.

This module refuses to know what the numbers mean.
"""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.errors import EnvError, shown


def numbers(
    value: Any, what: str, counts: Sequence[int], low: float = -math.inf, high: float = math.inf
) -> np.ndarray:
    """Read a flat list or array of finite numbers, float64 (n,), n being one of `counts`.

    Where one number will do it may stand alone. Raises EnvError, which calls the value `what`, for anything
    else and for numbers outside `low` and `high`.
    """
    try:
        array = np.asarray(value)
    except Exception:  # a class of the caller's may raise anything when it is turned into an array
        array = np.empty(0, object)
    values = np.atleast_1d(array)
    fits = values.dtype.kind in "iuf" and values.ndim == 1 and len(values) in counts
    if fits and isinstance(value, list | tuple):
        fits = not any(isinstance(each, bool | np.bool_) for each in value)
    if fits:
        if values.dtype.itemsize > 8:
            with np.errstate(over="ignore"):  # a long double may be too large
                values = values.astype(np.float64)
        values = values.astype(np.float64)  # a copy, also of what is float64
        fits = all(math.isfinite(each) and low <= each <= high for each in values.tolist())
    if not fits:
        expected = " or ".join(map(str, counts))
        within = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
        raise EnvError(f"{what} must be {expected} finite number(s){within}; got {shown(value)}")
    return values


def whole_number(value: Any, what: str, low: int, high: int) -> int:
    """Read a whole number from `low` to `high`; EnvError, which calls the value `what`, for anything else."""
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except Exception:  # TypeError, and whatever a class of the caller's raises
        number = None
    if number is None or not low <= number <= high:
        raise EnvError(f"{what} must be a whole number from {low} to {high}; got {shown(value)}")
    return number
