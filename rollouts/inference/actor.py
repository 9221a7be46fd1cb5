"""The Ray actor that decides for many workers, a batch at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollouts.cluster import enter
from rollouts.inference.batches import Batches
from rollouts.inference.messages import Asked, Batching, Facts, Reply
from rollouts.limits import Clock


class Inference:
    """The actor. Its policy is loaded by a call of its own and lives in one thread.

    Arguments:
        job: A `rollouts.workers.Job`.
        note: Where its clock writes.
    """

    def __init__(self, job: Any, folder: str, note: Path, batching: Batching):
        enter(folder)
        self._job = job
        self._batches = Batches(batching, Clock(job.limits, note))

    async def load(self) -> Facts:
        """Load the policy."""
        policy = await self._batches.load(self._job.load_policy)
        return Facts(policy.name, getattr(policy, "vocabulary_hash", ""))

    async def act(self, worker: int, asked: Sequence[Asked]) -> Reply:
        """Return the decisions for steps of a worker."""
        return await self._batches.act(worker, asked)

    async def leave(self, worker: int) -> None:
        """Wait for a worker no more; it may come again."""
        await self._batches.leave(worker)
