"""One policy that serves the slots of many workers: steps in, decisions out.

Unusual: a batch holds the steps of several workers, and one step must not spoil another's. When the joint
call raises, each worker is asked for alone, and then, as the runner does, each of its slots.

It refuses to know which steps come together, and how they travel.
"""

import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from policies.base import Policy, Step
from rollouts.inference.messages import Asked, Decision, Failure, Reply
from rollouts.limits import Timed, Watch
from uio2_agent.errors import described
from uio2_agent.request import Answer

Call = tuple[int, Sequence[Asked]]
"""A worker's number and the steps it waits for."""


@dataclass
class _Seat:
    """A slot of a worker."""

    number: int
    """The policy's slot."""
    observation: Any = None
    info: Any = None


@dataclass
class _Turn:
    """A step that the policy is about to decide."""

    step: Step
    timed: Timed


@dataclass
class _Begun:
    """A call whose resets are done."""

    turns: list[_Turn] = field(default_factory=list)
    seconds: float = 0.0


class Desk:
    """Decide with `policy` for the slots of workers; `watch` stands around each of its calls."""

    def __init__(self, policy: Policy, watch: Watch):
        self._policy, self._watch = policy, watch
        self._seats: dict[int, dict[int, _Seat]] = {}
        self._numbers = count()
        self._free: list[int] = []

    def decide(self, calls: Sequence[Call]) -> list[Reply]:
        """Return a reply for each call, whatever the policy does to that."""
        replies: dict[int, Reply] = {}
        begun: dict[int, _Begun] = {}
        for place, (worker, asked) in enumerate(calls):
            begun[place] = _Begun()
            try:
                self._begin(begun[place], worker, asked)
            except BaseException as error:
                replies[place] = Reply(Failure(described(error)))
                del begun[place]
        replies |= self._decided(begun)
        return [replies[place] for place in range(len(calls))]

    def leave(self, worker: int) -> None:
        """Forget a worker: its episodes are over."""
        self._free += [seat.number for seat in self._seats.pop(worker, {}).values()]

    def _begin(self, begun: _Begun, worker: int, asked: Sequence[Asked]) -> None:
        began = time.perf_counter()
        for each in asked:
            seat = self._seat(worker, each.slot)
            timed = SimpleNamespace(work=SimpleNamespace(index=each.place), timings={"spent": each.spent})
            if each.reset is not None:
                seat.observation, seat.info = each.reset
                with self._watch("policy", [timed]):
                    self._policy.reset(seat.number, *each.reset)
            for action in each.played:
                with self._watch("policy", [timed]):
                    self._policy.played(seat.number, action)
            seat.observation = each.observation.after(seat.observation)
            seat.info = each.info.after(seat.info)
            begun.turns.append(_Turn(Step(seat.number, seat.observation, seat.info), timed))
        begun.seconds = time.perf_counter() - began

    def _seat(self, worker: int, slot: int) -> _Seat:
        seats = self._seats.setdefault(worker, {})
        if slot not in seats:
            seats[slot] = _Seat(self._free.pop() if self._free else next(self._numbers))
        return seats[slot]

    def _decided(self, begun: Mapping[int, _Begun]) -> dict[int, Reply]:
        if not begun:
            return {}
        turns = [turn for each in begun.values() for turn in each.turns]
        began = time.perf_counter()
        try:
            with self._watch("policy", [turn.timed for turn in turns]):
                actions = list(self._policy.act([turn.step for turn in turns]))
            if len(actions) != len(turns):
                raise ValueError(
                    f"policy {self._policy.name} returned {len(actions)} actions for {len(turns)} steps"
                )
        except BaseException as error:
            if len(begun) == 1:
                return dict.fromkeys(begun, Reply(Failure(described(error))))
            alone = [self._decided({place: each}) for place, each in begun.items()]
            return {place: reply for replies in alone for place, reply in replies.items()}
        share = (time.perf_counter() - began) / len(turns)
        decisions = map(self._decision, turns, actions)
        return {
            place: Reply(
                [next(decisions) for _ in each.turns], each.seconds + share * len(each.turns), len(turns)
            )
            for place, each in begun.items()
        }

    def _decision(self, turn: _Turn, action: Any) -> Decision:
        slot = turn.step.slot
        written = getattr(self._policy, "action_text", None)  # classes that look like a policy may lack it
        return Decision(
            _sendable(lambda: action),
            _sendable(lambda: _told(self._policy.answer(slot))),
            _sendable(lambda: written(slot) if written else None),
        )


def _told(answer: Any) -> Answer | None:
    return None if answer is None else Answer(text=getattr(answer, "text", None), tokens=answer.tokens)


def _sendable(make: Any) -> Any:
    """What is made, or the Failure of making it or of writing it down for another process."""
    try:
        made = make()
        pickle.dumps(made)
    except BaseException as error:
        return Failure(described(error))
    return made
