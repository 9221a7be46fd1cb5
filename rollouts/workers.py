"""Runs a work list in this process or in Ray actors and hands out results in the list's order.

Each worker has its own environments and its own policy, and sends results one by one as its episodes end. A
worker that dies (killed, crashed in native code) is replaced and its unfinished work is done again, piece by
piece, so that work that kills every worker is found and becomes an error episode while the rest goes on.

It refuses to know what a result is: `Job.finish` makes it, in the worker, from the episode.
"""

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.base import Policy
from rollouts.runner import Episode, Work, run_episodes
from uio2_agent.errors import UIO2Error

_LIVES = 3
_PACKAGES = Path(__file__).parents[1]
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LP_NUM_THREADS")
}
_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_LOG_TO_STDERR": "0",
    "RAY_worker_niceness": "0",  # 15 would starve the workers beside any other busy process
}


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

    def load_policy(self) -> Policy:
        """Load the policy in the process that acts."""
        from policies import load_policy

        return load_policy(self.policy, **self.policy_args)

    def run(self, work: Sequence[Work], policy: Policy) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) in the order of `work`."""
        for episode in run_episodes(work, self.make_env, policy, slots=self.slots):
            yield episode.work.index, self.finish(episode)


def run_job(
    work: Sequence[Work], job: Job, *, workers: int = 1, ray_address: str | None = None
) -> Iterator[Any]:
    """Return an iterator of `job.finish(episode)` for each piece of `work`, in its order, for any `workers`.

    One worker and no `ray_address` run in this process; the policy is then loaded before this returns. Else
    Ray actors are used: those of the cluster at `ray_address`, or of one started for this call.
    """
    if not work:
        return iter(())
    if workers == 1 and not ray_address:
        policy = job.load_policy()
        return (result for _, result in job.run(work, policy))
    return _in_order(work, _run_on_ray(work, job, workers, ray_address))


def _in_order(work: Sequence[Work], indexed: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    results: dict[int, Any] = {}
    places = iter([item.index for item in work])
    awaited = next(places, None)
    for index, result in indexed:
        results[index] = result
        while awaited in results:
            yield results.pop(awaited)
            awaited = next(places, None)


class _Worker:
    """A Ray actor. The policy is loaded with the first chunk, so that its errors arrive as such."""

    def __init__(self, job: Job, folder: str):
        if os.path.isdir(folder):  # relative paths mean the driver's folder
            os.chdir(folder)
        self._job = job
        self._policy: Policy | None = None

    def run(self, work: list[Work]) -> Iterator[tuple[int, Any]]:
        if self._policy is None:
            self._policy = self._job.load_policy()
        yield from self._job.run(work, self._policy)


@dataclass
class _Running:
    """A chunk of work on an actor."""

    actor: Any
    left: list[Work]


def _start_ray(workers: int, address: str | None) -> None:
    """Join the cluster at `address` or start one here. A busy machine may be too slow for Ray's patience."""
    import ray

    stopped_by = signal.getsignal(signal.SIGTERM)
    stopped_by = signal.getsignal(signal.SIGTERM)
    local = {} if address else {"num_cpus": workers, "include_dashboard": False}
    for _ in range(_LIVES):
        try:
            # Ray puts the driver's folder first on the workers' path; a person's may hold an `envs` too.
            with chdir(_PACKAGES):
                ray.init(address=address or "local", logging_level="ERROR", log_to_driver=False, **local)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, stopped_by)  # Ray puts a handler of its own, which aborts
            return
        except Exception as error:  # Ray raises plain exceptions here
            reason = str(error).partition("\n")[0]
            ray.shutdown()
    what = f"join the Ray cluster at {address}" if address else f"start Ray for {workers} workers"
    raise UIO2Error(f"cannot {what} ({reason}): try again, or use workers=1 without ray.address")


def _run_on_ray(
    work: Sequence[Work], job: Job, workers: int, address: str | None
) -> Iterator[tuple[int, Any]]:
    os.environ.update({key: os.environ.get(key, value) for key, value in _RAY.items()})
    import ray

    started_here = not ray.is_initialized()
    if started_here:
        _start_ray(workers, address)
    gpus = (
        ray.cluster_resources().get("GPU", 0) / workers
        if "cuda" in str(job.policy_args.get("device", ""))
        else 0
    )
    actor_class = ray.remote(num_cpus=1, num_gpus=gpus, runtime_env={"env_vars": _ONE_THREAD})(_Worker)
    chunks = _chunks(work, workers, job.slots)
    deaths: Counter[int] = Counter()
    running: dict[Any, _Running] = {}

    def start(actor: Any) -> None:
        if chunks:
            chunk = chunks.popleft()
            running[actor.run.options(num_returns="streaming").remote(chunk)] = _Running(actor, list(chunk))

    try:
        for _ in range(min(workers, len(chunks))):
            start(actor_class.remote(job, os.getcwd()))
        while running:
            stream = ray.wait(list(running), num_returns=1)[0][0]
            task = running[stream]
            try:
                index, result = ray.get(next(stream))
            except StopIteration:
                del running[stream]
                start(task.actor)
            except ray.exceptions.RayActorError:
                del running[stream]
                for item in task.left:
                    deaths[item.index] += 1
                    if deaths[item.index] < _LIVES:
                        chunks.appendleft([item])
                    else:
                        yield item.index, job.finish(_lost(item, job))
                start(actor_class.remote(job, os.getcwd()))
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            else:
                task.left = [item for item in task.left if item.index != index]
                yield index, result
    finally:
        if started_here:
            ray.shutdown()


def _chunks(work: Sequence[Work], workers: int, slots: int) -> deque[list[Work]]:
    """Cut the list: long enough to keep slots busy, short enough to share the end of the list fairly."""
    size = max(1, min(8 * slots, -(-len(work) // (4 * workers))))
    return deque(list(work[i : i + size]) for i in range(0, len(work), size))


def _lost(work: Work, job: Job) -> Episode:
    episode = Episode(work, policy=job.policy)
    episode.fail(RuntimeError(f"the worker process died {_LIVES} times in this episode"))
    return episode
