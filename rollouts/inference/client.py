"""The policy as a worker sees it, when it is in another process."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from policies.base import Policy, Step
from rollouts.inference.messages import Asked, Change, Decision, Elsewhere, Facts, Failure, Reply
from rollouts.limits import Timed, Watch
from uio2_agent.request import Answer


@dataclass
class _Slot:
    """A running episode: what is to be told with the next step, and what the other side has."""

    reset: tuple[Any, Any] | None = None
    played: list[Any] = field(default_factory=list)
    sent: tuple[Any, Any] = (None, None)
    """Observation and info that the other side keeps."""
    decision: Decision | None = None


class InferencePolicy(Policy):
    """Hand each step to whoever decides, and return what comes back.

    A reset goes with the first step. Its `watch` must stand around the calls, as the runner has it: it says
    which episodes they are for, and leaves their time to the other side.

    Arguments:
        ask: Returns the reply for some steps; PolicyLost where there is nobody to reply.
        facts: What is known of the policy.
        watch: What stands around the calls of the environment.
    """

    def __init__(self, ask: Callable[[Sequence[Asked]], Reply], facts: Facts, watch: Watch):
        self.name, self.vocabulary_hash = facts.name, facts.vocabulary_hash
        self._ask, self._watch = ask, watch
        self._slots: dict[int, _Slot] = {}
        self._episodes: Sequence[Timed] = ()
        self._decisions, self._batches = 0, 0.0

    @contextmanager
    def watch(self, phase: str, episodes: Sequence[Timed]) -> Iterator[None]:
        """Stand around a call of the environment or of this policy."""
        if phase == "policy":
            self._episodes = episodes
            yield
        else:
            with self._watch(phase, episodes):
                yield

    @property
    def asked(self) -> tuple[int, ...]:
        """Places in the work list of the episodes of the last call."""
        return tuple(episode.work.index for episode in self._episodes)

    def tally(self) -> tuple[int, float]:
        """Return how many decisions came since this was last asked, and how many batches that makes: of one
        that others shared a part.
        """
        tally = self._decisions, self._batches
        self._decisions, self._batches = 0, 0.0
        return tally

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._slots[slot] = _Slot(reset=(observation, info))

    def act(self, steps: list[Step]) -> list[Any]:
        began = time.perf_counter()
        slots = [self._slots[step.slot] for step in steps]
        try:
            reply = self._ask([self._asked(*each) for each in zip(slots, steps, self._episodes, strict=True)])
            decisions = _or_raised(reply.decisions)
        except BaseException:
            for slot in slots:  # it is not known what arrived
                slot.sent = None, None
            raise
        for slot, step, decision in zip(slots, steps, decisions, strict=True):
            slot.reset, slot.played, slot.decision = None, [], decision
            slot.sent = step.observation, step.info
        self._decisions += len(steps)
        self._batches += len(steps) / reply.batch
        self.waited = max(0.0, time.perf_counter() - began - reply.seconds)
        return [decision.action for decision in decisions]

    def played(self, slot: int, action: Any) -> None:
        self._slots[slot].played.append(action)

    def answer(self, slot: int) -> Answer | None:
        """Return text and tokens of the last answer for the slot; raises where its action could not travel,
        which costs this slot alone its episode.
        """
        if (decision := self._slots[slot].decision) is None:
            return None
        _or_raised(decision.action)
        return _or_raised(decision.answer)

    def action_text(self, slot: int) -> str | None:
        decision = self._slots[slot].decision
        return decision and _or_raised(decision.text)

    def _asked(self, slot: _Slot, step: Step, episode: Timed) -> Asked:
        observation, info = slot.reset or slot.sent
        return Asked(
            slot=step.slot,
            place=episode.work.index,
            spent=sum(episode.timings.values()),
            reset=slot.reset,
            played=tuple(slot.played),
            observation=Change.between(observation, step.observation),
            info=Change.between(info, step.info),
        )


def _or_raised(found: Any) -> Any:
    if isinstance(found, Failure):
        raise Elsewhere(found.said)
    return found
