"""A recorded case, what compares it, and how far two arrays are apart."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Values = Mapping[str, Any]
"""What a case holds by name: of a JSON file its objects, of an NPZ file arrays."""
Errors = dict[str, float]
"""Largest error by what is compared; texts and integers count their differences."""


@dataclass(frozen=True)
class Check:
    """What compares a case of a file, and the largest error it may find; 0 is exactly the same."""

    errors: Callable[[Values], Errors]
    tolerance: float = 0.0

    def off(self, errors: Errors) -> list[str]:
        """Return the names of what differs by more than it may (a NaN does), the worst first."""
        found = [name for name, error in errors.items() if not error <= self.tolerance]
        return sorted(found, key=lambda name: -errors[name])


def read_cases(path: Path) -> Iterator[Values]:
    """Yield the cases of a file `{"cases": [...]}` or of arrays named `CASE/NAME`.

    Raises ValueError for a file of another form, or without a case.
    """
    if path.suffix == ".json":
        held = json.loads(path.read_text())
        cases = held.get("cases") if isinstance(held, dict) else None
    else:
        with np.load(path) as file:
            arrays = dict(file)
        cases = [_of_case(arrays, number) for number in range(int(arrays.get("n_cases", 0)))]
    if not cases:
        raise ValueError("holds no cases")
    yield from cases


def _of_case(arrays: dict[str, np.ndarray], number: int) -> Values:
    prefix = f"{number}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def distance(expected: Any, found: Any) -> float:
    """Return the largest absolute difference; infinity if shapes differ or a number is NaN."""
    pair = _pair(expected, found)
    if pair is None:
        return float("inf")
    expected, found = pair
    if not expected.size:
        return 0.0
    difference = np.abs(expected.astype(np.float64) - found).max()
    return float("inf") if np.isnan(difference) else float(difference)


def relative(expected: Any, found: Any) -> float:
    """Return the largest difference as a share of the expected number."""
    pair = _pair(expected, found)
    if pair is None:
        return float("inf")
    expected, found = (array.astype(np.float64) for array in pair)
    scale = np.maximum(np.abs(expected), np.finfo(np.float32).tiny)
    return distance(np.zeros(expected.shape), (found - expected) / scale)


def different(expected: Any, found: Any) -> float:
    """Return how many entries differ; infinity if shapes differ."""
    pair = _pair(expected, found)
    return float("inf") if pair is None else float((pair[0] != pair[1]).sum())


def _pair(expected: Any, found: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return both as arrays, or None if their shapes differ."""
    arrays = [
        value.detach().float().numpy()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else np.asarray(value)
        for value in (expected, found)
    ]
    return (arrays[0], arrays[1]) if arrays[0].shape == arrays[1].shape else None
