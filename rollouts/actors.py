"""The Ray actor that plays, with a policy of its own or with one that is elsewhere."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from policies.base import PolicyLost
from rollouts.cluster import enter, lost_worker, reason
from rollouts.inference.client import InferencePolicy
from rollouts.inference.messages import Asked, Facts, Reply
from rollouts.limits import Clock

_GATHERED_S = 0.1


@dataclass(frozen=True)
class Seat:
    """Who decides for a worker."""

    actor: Any
    """A `rollouts.inference.actor.Inference`."""
    worker: int
    """What the worker is called there."""
    facts: Facts


@dataclass(frozen=True)
class Played:
    """A piece of work that is done."""

    index: int
    result: Any
    decided: tuple[int, float] = (0, 0.0)
    """Decisions for the worker elsewhere since its last result, and the batches that makes."""


@dataclass(frozen=True)
class Unserved:
    """The end of what a worker was given, where whoever decides was lost."""

    asked: tuple[int, ...]
    """Places in the work list of the episodes that waited for a decision."""
    said: str


class Worker:
    """The actor. Its own policy is loaded by a call of its own: a death there is no fault of the work."""

    def __init__(self, job: Any, folder: str, note: Path):
        enter(folder)
        self._job = job
        self._watch = Clock(job.limits, note)
        self._policy: Any = None

    def load(self, decides: bool) -> None:
        """Load the policy, where the worker decides itself."""
        if decides:
            self._policy = self._job.load_policy()

    def run(self, work: list[Any], seat: Seat | None = None) -> Iterator[list[Played] | Unserved]:
        """Yield what was played in the order of `work`, by the loaded policy or the one at the seat."""
        if seat is None:
            played = self._job.run(work, self._policy, self._watch)
            yield from _gathered(Played(index, result) for index, result in played)
            return
        policy = InferencePolicy(partial(_reply, seat), seat.facts, self._watch)
        try:
            played = self._job.run(work, policy, policy.watch)
            yield from _gathered(Played(index, result, policy.tally()) for index, result in played)
        except PolicyLost as lost:
            yield Unserved(policy.asked, str(lost))
        finally:
            seat.actor.leave.remote(seat.worker)


def _gathered(played: Iterator[Played]) -> Iterator[list[Played]]:
    """Yield what was played in lists, since each that is sent costs a worker a part of a short episode: one
    when `_GATHERED_S` have passed since the last, and what there is at the end or before an error.
    """
    together: list[Played] = []
    sent = time.monotonic()
    try:
        for each in played:
            together.append(each)
            if time.monotonic() - sent >= _GATHERED_S:
                yield together
                together, sent = [], time.monotonic()
    except Exception:
        if together:
            yield together
        raise
    if together:
        yield together


def _reply(seat: Seat, asked: Sequence[Asked]) -> Reply:
    import ray

    try:
        return ray.get(seat.actor.act.remote(seat.worker, asked))
    except lost_worker() as error:
        raise PolicyLost(reason(error)) from None
