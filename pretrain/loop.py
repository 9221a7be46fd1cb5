"""The one loop of every training: steps, curves, states, evaluations, and an end between two steps.

It knows nothing of what is learned: a run is the parts it is made of. Of several processes all do the same at
the same step, because they agree on each decision that a clock or a signal takes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pretrain.errors import explained
from pretrain.interrupts import Interrupts
from pretrain.logbook import Logbook
from pretrain.processes import Processes
from pretrain.progress import progress
from pretrain.sources.schema import DatasetError

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
    directory: Path
    step: int
    saved: int
    """Step of the last state."""
    kept: str
    """What there is to go on from, in words."""
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

    def close(self) -> None:
        """Leave the output to others."""
        ...


R = TypeVar("R", bound=Run)


def drive(build: Callable[[], R], batch_size: int, ready: Callable[[], None] | None) -> R:
    """Build a run and train to its end; return it, closed.

    `ready` is called in the first process, before the first step. What memory or arithmetic raise is
    explained.
    """
    kept = "nothing was saved"
    try:
        with closing(build()) as run:
            try:
                if ready is not None and run.processes.is_first:
                    ready()
                loop(run)
            except (KeyboardInterrupt, DatasetError, OSError):  # between two steps: nothing is lost
                if run.step > run.saved and run.processes.count == 1:  # others may be elsewhere
                    run.save()
                raise
            finally:
                kept = run.kept
                run.book.close()
    except (RuntimeError, MemoryError) as error:
        raise explained(error, batch_size, kept) from error
    return run


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
