"""The driver's side of Ray actors: who plays what, and what becomes of the work of one that is lost.

A worker that is lost (killed, crashed in native code, out of memory, over a time limit) is replaced and its
unfinished work is done again. Where it is not known which piece of it was to blame, each is done alone, so
that work that kills every worker is found and becomes an error episode while the rest goes on.

With inference actors each worker has one that decides for it. One that is lost takes the running episodes of
its workers with it, which are played again; what waited for a decision at two such losses is then decided
alone, with nothing beside it.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollouts.actors import Played, Seat, Unserved, Worker
from rollouts.cluster import actor_class, check_alive, lost_worker, reason
from rollouts.errors import RolloutError
from rollouts.inference.actor import Inference
from rollouts.inference.messages import Batching, Facts
from rollouts.limits import Overrun, overrun
from rollouts.runner import Work

_LIVES = 3
_DOUBTS = 2
_LOOK_S = 10.0
"""How long nothing is heard before it is asked whether Ray is alive."""


@dataclass
class View:
    """How a crew is doing, in numbers that stay right while it works."""

    workers: int = 0
    inference: int = 0
    replaced: int = 0
    """Processes that were lost and others took the place of."""
    decisions: int = 0
    batches: float = 0.0
    """In which they were made; a worker's part of one counts as such."""

    def words(self) -> str:
        """Return a line's end; nothing where there is no crew."""
        if not self.workers:
            return ""
        said = f"{self.workers} worker{'s' * (self.workers > 1)}"
        if self.inference:
            said += f" + {self.inference} inference"
        if self.replaced:
            said += f", {self.replaced} replaced"
        if self.batches:
            said += f", batches of {self.decisions / self.batches:.1f}"
        return said


@dataclass
class _Service:
    """An inference actor, or the one that takes its place."""

    actor: Any = None
    note: Path = Path()
    facts: Facts | None = None
    """None while it loads and after it was lost."""
    asked: set[int] = field(default_factory=set)
    """Places of the episodes that waited for it when it was lost."""
    left: list[Work] = field(default_factory=list)
    """What its workers had left then."""
    error: str = ""


@dataclass
class _Chunk:
    """Work that is given to a worker at once."""

    work: list[Work]
    alone: bool = False
    """Whether nothing else may be decided beside it."""


@dataclass
class _Member:
    """A worker, and what it has of the work."""

    number: int
    actor: Any
    note: Path
    """Where its clock writes."""
    service: _Service | None = None
    left: list[Work] = field(default_factory=list)
    alone: bool = False


class Crew:
    """The actors that play one work list, and what is left of it.

    Arguments:
        job: A `rollouts.workers.Job`.
        notes: A folder for what clocks write.
        view: Is kept up to date.
    """

    def __init__(
        self, work: Sequence[Work], job: Any, workers: int, batching: Batching, notes: Path, view: View
    ):
        import ray

        self._ray, self._job, self._notes, self._batching, self._view = ray, job, notes, batching, view
        self._node = ray.get_runtime_context().get_node_id()
        self._size = max(1, min(32 * job.slots, -(-len(work) // (4 * workers))))
        self._chunks = deque(self._cut(work))
        view.workers = min(workers, len(self._chunks))
        view.inference = min(batching.actors, view.workers)
        wants_gpu = "cuda" in str(job.policy_args.get("device", ""))
        share = ray.cluster_resources().get("GPU", 0) / (view.inference or workers) if wants_gpu else 0
        self._make = actor_class(Worker, 0 if view.inference else share)
        self._make_inference = actor_class(Inference, share) if view.inference else None
        self._loading: dict[Any, _Member | _Service] = {}
        self._playing: dict[Any, _Member] = {}
        self._idle: list[_Member] = []
        self._hired = 0
        self._stillborn = 0
        """Actors lost in a row while they loaded the policy."""
        self._strikes: Counter[int] = Counter()
        """By place in the list: actors lost that had nothing else to do."""
        self._doubts: Counter[int] = Counter()
        """By place in the list: inference actors lost that it and others waited for."""
        services = [_Service() for _ in range(view.inference)]
        for service in services:
            self._serve(service)
        for number in range(view.workers):
            self._hire(services[number % len(services)] if services else None)

    def play(self) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) as they come."""
        while self._chunks or self._playing:
            self._hand_out()
            yield from self._heard(self._next())

    def _cut(self, work: Sequence[Work]) -> list[_Chunk]:
        """Cut: long enough to keep slots busy, short enough to share the end of the list fairly."""
        return [_Chunk(list(work[i : i + self._size])) for i in range(0, len(work), self._size)]

    def _hand_out(self) -> None:
        for member in list(self._idle):
            if chunk := self._chunk_for(member):
                self._chunks.remove(chunk)
                self._idle.remove(member)
                self._give(member, chunk)

    def _chunk_for(self, member: _Member) -> _Chunk | None:
        """The first that it may play now."""
        service = member.service
        if service is None:
            return self._chunks[0] if self._chunks else None
        beside = self._served(service)
        if service.facts is None or any(each.alone for each in beside):
            return None
        return next((chunk for chunk in self._chunks if not (chunk.alone and beside)), None)

    def _served(self, service: _Service) -> list[_Member]:
        return [member for member in self._playing.values() if member.service is service]

    def _next(self) -> Any:
        """Wait for a call of which something is known; RolloutError where that will not come."""
        patience, waited = self._job.limits.settled()[1], 0.0
        while True:
            ready, _ = self._ray.wait([*self._loading, *self._playing], num_returns=1, timeout=_LOOK_S)
            if ready:
                return ready[0]
            check_alive(self._node)
            waited += _LOOK_S
            if waited >= patience and not self._playing:
                raise RolloutError(
                    f"no worker process was ready after {patience:g} s: there is no free CPU or GPU for one, "
                    "or the policy does not finish loading; episode_timeout= changes how long is waited"
                )

    def _hire(self, service: _Service | None) -> None:
        note = self._note()
        actor = self._make.remote(self._job, os.getcwd(), note)
        member = _Member(self._hired, actor, note, service)
        self._loading[actor.load.remote(service is None)] = member

    def _serve(self, service: _Service) -> None:
        service.note = self._note()
        service.actor = self._make_inference.remote(self._job, os.getcwd(), service.note, self._batching)
        service.asked, service.left = set(), []
        self._loading[service.actor.load.remote()] = service

    def _note(self) -> Path:
        self._hired += 1
        return self._notes / str(self._hired)

    def _give(self, member: _Member, chunk: _Chunk) -> None:
        member.left, member.alone = list(chunk.work), chunk.alone
        service = member.service
        seat = service and Seat(service.actor, member.number, service.facts)
        self._playing[member.actor.run.options(num_returns="streaming").remote(chunk.work, seat)] = member

    def _heard(self, ref: Any) -> Iterator[tuple[int, Any]]:
        """What there is to be done about a call of which something is known: ready, a result, the end."""
        loading = self._loading.get(ref)
        try:
            found = self._ray.get(next(ref) if loading is None else ref)
        except StopIteration:
            member = self._playing.pop(ref)
            self._idle.append(member)
            yield from self._stopped(member)
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except lost_worker() as error:
            self._view.replaced += 1
            if loading is not None:
                del self._loading[ref]
                self._lost_loading(loading, error)
            else:
                yield from self._lost(self._playing.pop(ref), error)
        else:
            if loading is not None:
                self._ready(self._loading.pop(ref), found)
            elif isinstance(found, Unserved):
                self._lost_service(self._playing[ref].service, found)
            else:
                yield from self._came(self._playing[ref], found)

    def _ready(self, loaded: _Member | _Service, found: Facts | None) -> None:
        self._stillborn = 0
        if isinstance(loaded, _Service):
            loaded.facts = found
        else:
            self._idle.append(loaded)

    def _came(self, member: _Member, together: Sequence[Played]) -> Iterator[tuple[int, Any]]:
        came = {played.index for played in together}
        member.left = [item for item in member.left if item.index not in came]
        for played in together:
            decisions, batches = played.decided
            self._view.decisions += decisions
            self._view.batches += batches
            yield played.index, played.result

    def _lost_loading(self, lost: _Member | _Service, error: Exception) -> None:
        self._dismiss(lost.actor)
        self._stillborn += 1
        if self._stillborn == _LIVES:
            raise RolloutError(
                f"{_LIVES} worker processes in a row died while they loaded policy={self._job.policy} (the "
                f"last: {reason(error)}): use fewer workers= where memory is short, or workers=1 to see what "
                "it says"
            )
        if isinstance(lost, _Service):
            self._serve(lost)
        elif self._chunks:
            self._hire(lost.service)

    def _lost(self, member: _Member, error: Exception) -> Iterator[tuple[int, Any]]:
        """Give back what a lost worker had left: alone what may be to blame, together what is not."""
        self._dismiss(member.actor)
        if member.service and member.service.facts:
            member.service.actor.leave.remote(member.number)
        late = overrun(member.note)
        named = late.episodes if late else ()
        suspects = [item for item in member.left if not named or item.index in named]
        rest = [item for item in member.left if item not in suspects]
        if len(suspects) == 1:
            (item,) = suspects
            if failure := TimeoutError(late.said) if named else self._strike(item, late, reason(error)):
                yield item.index, self._job.failed(item, failure)
                suspects = []
        self._give_back([*([_Chunk(rest)] if rest else []), *(_Chunk([item]) for item in suspects)])
        member.left = []
        yield from self._stopped(member)
        if self._chunks:
            self._hire(member.service)

    def _lost_service(self, service: _Service, unserved: Unserved) -> None:
        """Note who waited; its other workers will find out as well."""
        if service.facts is not None:
            service.facts = None
            self._view.replaced += 1
            self._dismiss(service.actor)
        service.asked.update(unserved.asked)
        service.error = unserved.said

    def _stopped(self, member: _Member) -> Iterator[tuple[int, Any]]:
        """Look at a worker that plays no more: after the last of a lost inference actor that is replaced."""
        service = member.service
        if service is None or not service.asked:
            return
        service.left += member.left
        if self._served(service):
            return
        yield from self._judged(service, member.alone)
        if self._chunks:
            self._serve(service)

    def _judged(self, service: _Service, alone: bool) -> Iterator[tuple[int, Any]]:
        """Give back what was left when an inference actor was lost: alone what is to blame, or may be for the
        second time.
        """
        late = overrun(service.note)
        waited = [item for item in service.left if item.index in service.asked]
        if late:
            suspects = [item for item in waited if item.index in late.episodes]
        elif alone:
            suspects = waited
        else:
            self._doubts.update(item.index for item in waited)
            suspects = [item for item in waited if self._doubts[item.index] >= _DOUBTS]
        rest = sorted((item for item in service.left if item not in suspects), key=lambda item: item.index)
        if len(suspects) == 1 and (late or alone):
            (item,) = suspects
            if failure := TimeoutError(late.said) if late else self._strike(item, late, service.error):
                yield item.index, self._job.failed(item, failure)
                suspects = []
        self._give_back([*(_Chunk([item], alone=True) for item in suspects), *self._cut(rest)])

    def _give_back(self, chunks: Sequence[_Chunk]) -> None:
        self._chunks.extendleft(reversed(chunks))

    def _strike(self, item: Work, late: Overrun | None, error: str) -> Exception | None:
        """Count an actor lost that had this left; return how its episode ends when it is one too many."""
        self._strikes[item.index] += late is None  # else it hung in closing what others had left
        if self._strikes[item.index] < _LIVES:
            return None
        return RuntimeError(
            f"{_LIVES} worker processes died in this episode, task={item.task} seed={item.seed}, and had "
            f"nothing else to do (the last: {error})"
        )

    def _dismiss(self, actor: Any) -> None:
        with suppress(Exception):
            self._ray.kill(actor)  # it may be alive and out of reach, and has its CPU
