"""The batches of steps, made ahead by worker processes.

Unusual: an error that is raised in a worker loses its words on the way, so it travels in place of its batch.
"""

import signal
import sys
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from uio2_agent.errors import UIO2Error

B = TypeVar("B", covariant=True)


class Steps(Protocol[B]):
    """Makes the batch of any step; can be pickled."""

    def __getitem__(self, step: int) -> B: ...


def step_batches(batches: Steps[B], steps: range, workers: int) -> Iterator[B]:
    """Yield the batch of each step in order; `workers` 0 makes them here. Raises what making one raises."""
    extra: dict[str, Any] = {"prefetch_factor": 4, "worker_init_fn": _prepare_worker} if workers else {}
    loader = DataLoader(_Told(batches), batch_size=None, sampler=steps, num_workers=workers, **extra)
    for item in loader:
        if isinstance(item, UIO2Error):
            raise item
        yield item


class _Told(Dataset[Any]):
    """The batches, or why there is none."""

    def __init__(self, batches: Steps[Any]):
        self._batches = batches

    def __getitem__(self, step: int) -> Any:
        try:
            return self._batches[step]
        except UIO2Error as error:
            return error


def _prepare_worker(worker: int) -> None:
    torch.set_num_threads(1)
    # What stops a run is for the process that ends this one, though systems tell the whole group of them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # of the thread that hands batches over: it may lose that process any time
    sys.excepthook = lambda *_: None
