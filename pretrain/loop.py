"""The one loop of every training: steps, curves, states, evaluations, and an end between two steps.

It knows nothing of what is learned: a run is the parts it is made of. Of several processes all do the same at
the same step, because they agree on each decision that a clock or a signal takes.
"""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Protocol

from pretrain.interrupts import Interrupts
from pretrain.logbook import Logbook
from pretrain.processes import Processes
from pretrain.progress import progress

_SAVE_WITHIN, _SAVING_SHARE = 60.0, 0.05
"""Seconds after which there is a new state, whatever `save_every` says; the most time that goes into that."""


class Times(Protocol):
    """When what is done, in steps; `stop_after` in minutes."""

    steps: int
    log_every: int
    save_every: int
    stop_after: float


class Run(Protocol):
    """What the loop drives."""

    config: Times
    processes: Processes
    step: int
    book: Logbook

    def batches(self) -> Iterator[Any]:
        """Yield the batches from the next step on."""
        ...

    def learn(self, batch: Any) -> dict[str, float]:
        """Take a step; return its values for the curves."""
        ...

    def record(self) -> None:
        """Add a point to the curves."""
        ...

    def save(self, whole: bool = True) -> None:
        """Write the state, and with `whole` what others read too."""
        ...

    def evaluate(self) -> None:
        """Measure what was saved."""
        ...

    def evaluation_is_due(self) -> bool:
        """Tell whether there is one at this step that was not made yet."""
        ...


def loop(run: Run) -> None:
    """Train to the last step, or until the time is up.

    KeyboardInterrupt, also for SIGTERM, comes between two steps, once all processes know.
    """
    config, processes = run.config, run.processes
    end = time.monotonic() + 60 * config.stop_after if config.stop_after else float("inf")
    saved = clock = time.monotonic()
    patience = _SAVE_WITHIN
    with (
        Interrupts() as interrupts,
        progress("train", config.steps, run.step, processes.is_first, unit="step") as shown,
        interrupts.held() if processes.count > 1 else nullcontext(),
    ):
        if run.evaluation_is_due():  # it was stopped between saving and evaluating
            run.save()
            run.evaluate()
        for batch in run.batches():
            with interrupts.held():
                values = run.learn(batch)
                run.step += 1
                run.book.take(values, time.monotonic() - clock)
                if run.step % config.log_every == 0 or run.step == config.steps:
                    run.record()
                if shown(run.book.words()):
                    run.book.shown()
            is_evaluated = run.evaluation_is_due()
            is_late, stops = processes.any(
                time.monotonic() - saved > patience, time.monotonic() > end or interrupts.asked
            )
            if is_evaluated or is_late or run.step % config.save_every == 0:
                began = time.monotonic()
                run.save(whole=is_evaluated)
                saved = time.monotonic()
                patience = max(_SAVE_WITHIN, (saved - began) / _SAVING_SHARE)
            if is_evaluated:
                run.evaluate()
            if stops:
                break
            clock = time.monotonic()
        run.save()
