"""What keeps a broken step from the weights: losses or gradients that are no numbers, or far above the usual.

UIO-2 reports runs whose gradient norm grew without bound, and one that diverged after 350,000 steps (arXiv
2312.17172, section 3). A step out of bounds is skipped and counted; too many in a row end the run, because
nothing but a person can help then.
"""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any

from pretrain.errors import TrainingError

_WINDOW = 128
"""Steps that say what is usual."""
_ENOUGH = 16
"""Steps after which a spike can be told."""


class Diverged(TrainingError):
    """A run that went out of bounds: says which value did."""


class Guard:
    """Decides about each step before it is taken.

    Arguments:
        skipped_in_a_row: steps that may be skipped one after the other; 0 ends the run at the first.
        spike: how many times the median of the last 128 steps a loss or norm may be; 0 for any number.
    """

    def __init__(self, skipped_in_a_row: int = 0, spike: float = 0.0):
        self._limit, self._spike = skipped_in_a_row, spike
        self._usual: dict[str, deque[float]] = {}
        self._in_a_row = 0
        self.skipped = 0
        """Steps skipped in all."""

    def admits(self, values: Mapping[str, float], watched: tuple[str, ...] = ()) -> bool:
        """Tell whether a step with these values may be taken; those named in `watched` must not spike either.

        Raises Diverged when too many were refused one after the other.
        """
        reason = self._broken(values) or self._leap({name: values[name] for name in watched})
        if reason is None:
            for name in watched:
                self._usual.setdefault(name, deque(maxlen=_WINDOW)).append(values[name])
            self._in_a_row = 0
            return True
        self._in_a_row += 1
        self.skipped += 1
        if self._in_a_row > self._limit:
            in_a_row = f" ({self._in_a_row} steps in a row)" if self._limit else ""
            raise Diverged(f"{reason}{in_a_row}")
        return False

    def state(self) -> dict[str, Any]:
        """Plain data to go on from."""
        usual = {name: list(values) for name, values in self._usual.items()}
        return {"usual": usual, "in_a_row": self._in_a_row, "skipped": self.skipped}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._usual = {name: deque(values, maxlen=_WINDOW) for name, values in state["usual"].items()}
        self._in_a_row, self.skipped = state["in_a_row"], state["skipped"]

    def _broken(self, values: Mapping[str, float]) -> str | None:
        broken = (f"{name} is {value}" for name, value in values.items() if not math.isfinite(value))
        return next(broken, None)

    def _leap(self, values: Mapping[str, float]) -> str | None:
        for name, value in values.items():
            before = self._usual.get(name, ())
            if self._spike and len(before) >= _ENOUGH and value > self._spike * median(before):
                return f"{name} is {value:.3g}, {value / median(before):.3g} times the usual"
        return None
