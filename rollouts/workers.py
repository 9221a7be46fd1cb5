"""Runs a work list in this process or in Ray actors and hands out results in the list's order.

Each worker has its own environments and its own policy, and sends results one by one as its episodes end. A
worker that is lost (killed, crashed in native code, out of memory, over a time limit) is replaced and its
unfinished work is done again. Where it is not known which piece of it was to blame, each is done alone, so
that work that kills every worker is found and becomes an error episode while the rest goes on.

It refuses to know what a result is: `Job.finish` makes it, in the worker, from the episode.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.base import Policy
from rollouts.cluster import actor_class, check_alive, lost_worker, ray_started, reason
from rollouts.errors import RolloutError
from rollouts.limits import Limits, Overrun, Watch, overrun, unwatched
from rollouts.runner import Episode, Work, run_episodes
from rollouts.trial import check_apart, check_environment

_LIVES = 3
_LOOK_S = 10.0
"""How long nothing is heard before it is asked whether Ray is alive."""
_CHECK_S = 60.0
"""The least time for an environment to be imported and made."""


@dataclass(frozen=True)
class MakeEnv:
    """Makes the environment of a piece of work, as its suite does, with further arguments."""

    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, work: Work) -> Any:
        """Make it, without gymnasium's per-step checks."""
        import envs

        return envs.suite(work.env).make(work.task, work.level, **self.kwargs)


@dataclass(frozen=True)
class Job:
    """What every worker does. All fields must pickle: module-level functions and plain values."""

    policy: str
    """As `policy=` takes it: oracle, random, a packaged name, a directory, `module:Class`."""
    policy_args: Mapping[str, Any] = field(default_factory=dict)
    make_env: Callable[[Work], Any] = field(default_factory=MakeEnv)
    slots: int = 1
    finish: Callable[[Episode], Any] = lambda episode: episode
    """Makes the result, in the worker."""
    limits: Limits = field(default_factory=Limits)
    """Of worker processes; where some are named, even one worker is a process."""
    maps: bool = False
    """Whether episodes keep their floor map."""
    frames: bool = True
    """Whether they keep all observations; else `finish` finds the first and the last."""

    def load_policy(self) -> Policy:
        """Load the policy in the process that acts."""
        from policies import load_policy

        return load_policy(self.policy, **self.policy_args)

    def run(
        self, work: Sequence[Work], policy: Policy, watch: Watch = unwatched
    ) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) in the order of `work`."""
        how = {"slots": self.slots, "maps": self.maps, "frames": self.frames}
        for episode in run_episodes(work, self.make_env, policy, watch=watch, **how):
            yield episode.work.index, self._finished(episode)

    def failed(self, work: Work, error: BaseException) -> Any:
        """The result of work of which nothing is known but how it ended."""
        episode = Episode(work, policy=self.policy)
        episode.fail(error)
        return self.finish(episode)

    def _finished(self, episode: Episode) -> Any:
        try:
            return self.finish(episode)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what environment or policy returned cannot be kept
            return self.failed(episode.work, error)


def run_job(
    work: Sequence[Work], job: Job, *, workers: int = 1, ray_address: str | None = None
) -> Iterator[Any]:
    """Return an iterator of `job.finish(episode)` for each piece of `work`, in its order, for any `workers`.

    One worker, no `ray_address` and no time limits asked for run in this process; the policy is then loaded
    before this returns. Else Ray actors are used: those of the cluster at `ray_address`, or of one started
    for this call. RolloutError where that cluster is lost; what was handed out stays right.
    """
    if not work:
        return iter(())
    if not in_processes(job, workers, ray_address):
        policy = job.load_policy()
        return (result for _, result in job.run(work, policy))
    return _in_order(work, _run_on_ray(work, job, workers, ray_address))


def in_processes(job: Job, workers: int, ray_address: str | None) -> bool:
    """Whether `run_job` plays in processes of its own, which it survives."""
    return workers > 1 or bool(ray_address) or job.limits.asked


def check_job(item: Work, job: Job, *, workers: int = 1, ray_address: str | None = None) -> None:
    """Check one environment of `job` before anything is played, where `run_job` would survive it."""
    if in_processes(job, workers, ray_address):
        check_apart(job.make_env, item, max(job.limits.settled()[0], _CHECK_S))
    else:
        check_environment(job.make_env, item)


def _in_order(work: Sequence[Work], indexed: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    results: dict[int, Any] = {}
    places = iter([item.index for item in work])
    awaited = next(places, None)
    for index, result in indexed:
        results[index] = result
        while awaited in results:
            yield results.pop(awaited)
            awaited = next(places, None)


def _run_on_ray(
    work: Sequence[Work], job: Job, workers: int, address: str | None
) -> Iterator[tuple[int, Any]]:
    with ray_started(workers, address), TemporaryDirectory(prefix="uio2-") as notes:
        yield from _Crew(work, job, workers, Path(notes)).play()


@dataclass
class _Member:
    """An actor, and the chunk of work it has."""

    actor: Any
    note: Path
    """Where its clock writes."""
    left: list[Work] = field(default_factory=list)


class _Crew:
    """The actors that play one work list, and what is left of it."""

    def __init__(self, work: Sequence[Work], job: Job, workers: int, notes: Path):
        import ray

        self._ray, self._job, self._notes = ray, job, notes
        self._node = ray.get_runtime_context().get_node_id()
        self._chunks = _chunks(work, workers, job.slots)
        wants_gpu = "cuda" in str(job.policy_args.get("device", ""))
        self._make = actor_class(ray.cluster_resources().get("GPU", 0) / workers if wants_gpu else 0)
        self._loading: dict[Any, _Member] = {}
        self._playing: dict[Any, _Member] = {}
        self._idle: list[_Member] = []
        self._hired = 0
        self._stillborn = 0
        """Workers lost in a row while they loaded the policy."""
        self._strikes: Counter[int] = Counter()
        """By place in the list: workers lost that had nothing else to do."""
        for _ in range(min(workers, len(self._chunks))):
            self._hire()

    def play(self) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) as they come."""
        while self._chunks or self._playing:
            while self._chunks and self._idle:
                self._give(self._idle.pop(), self._chunks.popleft())
            yield from self._heard(self._next())

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

    def _hire(self) -> None:
        self._hired += 1
        note = self._notes / str(self._hired)
        actor = self._make.remote(self._job, os.getcwd(), note)
        self._loading[actor.load.remote()] = _Member(actor, note)

    def _give(self, member: _Member, chunk: list[Work]) -> None:
        member.left = list(chunk)
        self._playing[member.actor.run.options(num_returns="streaming").remote(chunk)] = member

    def _heard(self, ref: Any) -> Iterator[tuple[int, Any]]:
        """What there is to be done about a call of which something is known: ready, a result, the end."""
        loading = ref in self._loading
        member = self._loading[ref] if loading else self._playing[ref]
        try:
            found = self._ray.get(ref if loading else next(ref))
        except StopIteration:
            self._idle.append(self._playing.pop(ref))
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except lost_worker() as error:
            (self._loading if loading else self._playing).pop(ref)
            with suppress(Exception):
                self._ray.kill(member.actor)  # it may be alive and out of reach, and has its CPU
            if loading:
                self._lost_loading(error)
            else:
                yield from self._lost(member, error)
            if self._chunks:
                self._hire()
        else:
            if loading:
                self._stillborn = 0
                self._idle.append(self._loading.pop(ref))
            else:
                index, result = found
                member.left = [item for item in member.left if item.index != index]
                yield index, result

    def _lost_loading(self, error: Exception) -> None:
        self._stillborn += 1
        if self._stillborn == _LIVES:
            raise RolloutError(
                f"{_LIVES} worker processes in a row died while they loaded policy={self._job.policy} (the "
                f"last: {reason(error)}): use fewer workers= where memory is short, or workers=1 to see what "
                "it says"
            )

    def _lost(self, member: _Member, error: Exception) -> Iterator[tuple[int, Any]]:
        """Give back what a lost worker had left: alone what may be to blame, together what is not."""
        late = overrun(member.note)
        named = late.episodes if late else ()
        suspects = [item for item in member.left if not named or item.index in named]
        rest = [item for item in member.left if item not in suspects]
        if len(suspects) == 1:
            (item,) = suspects
            if failure := TimeoutError(late.said) if named else self._strike(item, late, error):
                yield item.index, self._job.failed(item, failure)
                suspects = []
        self._chunks.extendleft([*([rest] if rest else []), *([item] for item in reversed(suspects))])

    def _strike(self, item: Work, late: Overrun | None, error: Exception) -> Exception | None:
        """Count a worker lost that had this left; return how its episode ends when it is one too many."""
        self._strikes[item.index] += late is None  # else it hung in closing what others had left
        if self._strikes[item.index] < _LIVES:
            return None
        return RuntimeError(
            f"{_LIVES} worker processes died in this episode, task={item.task} seed={item.seed}, and had "
            f"nothing else to do (the last: {reason(error)})"
        )


def _chunks(work: Sequence[Work], workers: int, slots: int) -> deque[list[Work]]:
    """Cut the list: long enough to keep slots busy, short enough to share the end of the list fairly."""
    size = max(1, min(8 * slots, -(-len(work) // (4 * workers))))
    return deque(list(work[i : i + size]) for i in range(0, len(work), size))
