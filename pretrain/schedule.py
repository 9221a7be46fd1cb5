"""The learning rate by step: a linear warm-up, then one of several shapes; each phase warms up anew.

`InverseSquareRoot` is that of UIO-2's pre-training, counted as officially, for Adafactor's relative steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from uio2_agent.errors import UIO2Error

SHAPES = ("wsd", "constant", "linear", "inverse_sqrt")
_LEAST_RATE = 1e-8
"""What the official schedule gives its first step, which would be 0."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A learning rate over `steps` steps.

    `wsd` (warm-up, stable, decay) stays level and falls linearly to zero over the last `decay_share` of the
    run, so that a run that was stopped can be extended: everything before the decay is the same for any
    number of steps. `constant` never falls, `linear` falls from the first step on, and `inverse_sqrt` falls
    with the square root of the steps from the end of the warm-up on, as UIO-2's pre-training does (arXiv
    2312.17172).

    >>> schedule = Schedule(peak=1.0, steps=10, warmup=2, decay_share=0.4, phases=(0, 5))
    >>> [round(schedule.rate(step), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    """

    peak: float
    steps: int
    shape: str = "wsd"
    warmup: int = 0
    """Steps of linear warm-up at the start of each phase."""
    decay_share: float = 0.3
    """Last part of the run, in which `wsd` falls."""
    phases: tuple[int, ...] = (0,)
    """First step of each phase."""

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UIO2Error(f"schedule {self.shape!r} is unknown: use one of {', '.join(SHAPES)}")
        if self.steps < 1 or self.warmup < 0 or not 0 <= self.decay_share <= 1 or self.peak < 0:
            raise UIO2Error(
                f"schedule: steps={self.steps} must be at least 1, warmup={self.warmup} and the rate "
                f"{self.peak} at least 0, decay_share={self.decay_share} between 0 and 1"
            )

    def rate(self, step: int) -> float:
        """Return the rate of step 0, 1, …, steps - 1."""
        begun = max(first for first in self.phases if first <= step)
        warmed = min(1.0, (step - begun + 1) / max(1, self.warmup))
        return self.peak * self._level(step) * warmed

    def _level(self, step: int) -> float:
        if self.shape == "constant":
            return 1.0
        if self.shape == "linear":
            return (self.steps - step) / self.steps
        if self.shape == "inverse_sqrt":
            return math.sqrt(max(1, self.warmup) / max(1, self.warmup, step + 1))
        return min(1.0, (self.steps - step) / max(1, round(self.steps * self.decay_share)))


@dataclass(frozen=True, kw_only=True)
class InverseSquareRoot:
    """The rate base / sqrt(step), held at its highest up to step `warmup`, where it may rise to it linearly.

    >>> schedule = InverseSquareRoot(base=1.0, warmup=5000)
    >>> [f"{schedule.rate(step):.3g}" for step in (1, 5000, 20_000, 1_500_000)]
    ['2.83e-06', '0.0141', '0.00707', '0.000816']
    """

    base: float = 1.0
    warmup: int = 5000
    rises: bool = True
    """False: the first steps have the highest rate already, as a run that goes on from weights may want."""

    def __post_init__(self) -> None:
        if self.base < 0 or self.warmup < 1:
            raise UIO2Error(
                f"schedule: base={self.base} must be at least 0 and warmup={self.warmup} at least 1"
            )

    def rate(self, step: int) -> float:
        """Return the rate of step 0, 1, …; that of step 0 is nearly nothing while it rises."""
        rate = self.base / math.sqrt(max(step, self.warmup))
        return max(_LEAST_RATE, rate * min(1.0, step / self.warmup)) if self.rises else rate
