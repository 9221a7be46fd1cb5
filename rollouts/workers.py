"""Runs a work list in this process or in Ray actors and hands out results in the list's order.

Each worker has its own environments, and its own policy or an inference actor that decides for several; it
sends results one by one as its episodes end.

It refuses to know what a result is: `Job.finish` makes it, in the worker, from the episode.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.base import Policy
from rollouts.cluster import ray_started
from rollouts.crew import Crew, View
from rollouts.inference.messages import Batching
from rollouts.limits import Limits, Watch, unwatched
from rollouts.runner import Episode, Sketch, Work, run_episodes
from rollouts.trial import check_apart, check_environment

ALONE = Batching()
"""Each worker decides for itself."""
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
    sketch: Callable[[], Sketch] | None = None
    """Makes what looks at the steps of an episode, for `finish`."""

    def load_policy(self) -> Policy:
        """Load the policy in the process that acts."""
        from policies import load_policy

        return load_policy(self.policy, **self.policy_args)

    def run(
        self, work: Sequence[Work], policy: Policy, watch: Watch = unwatched
    ) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) in the order of `work`."""
        how = {"slots": self.slots, "maps": self.maps, "frames": self.frames, "sketch": self.sketch}
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


class Results(Iterator[Any]):
    """What is handed out, in order; `words` says how those who make it are doing."""

    def __init__(self, results: Iterator[Any], view: View):
        self._results, self._view = results, view

    def __next__(self) -> Any:
        return next(self._results)

    def words(self) -> str:
        """Return the end of a line of progress: workers, those replaced, batches; or nothing."""
        return self._view.words()


def run_job(
    work: Sequence[Work],
    job: Job,
    *,
    workers: int = 1,
    inference: Batching = ALONE,
    ray_address: str | None = None,
) -> Results:
    """Return an iterator of `job.finish(episode)` for each piece of `work`, in its order, however many play.

    One worker, no `inference`, no `ray_address` and no time limits asked for run in this process; the policy
    is then loaded before this returns. Else Ray actors are used: those of the cluster at `ray_address`, or of
    one started for this call. RolloutError where that cluster is lost; what was handed out stays right.
    """
    view = View()
    if not work:
        return Results(iter(()), view)
    if not in_processes(job, workers, inference, ray_address):
        policy = job.load_policy()
        return Results((result for _, result in job.run(work, policy)), view)
    results = _run_on_ray(work, job, workers, inference, ray_address, view)
    return Results(_in_order(work, results), view)


def in_processes(job: Job, workers: int, inference: Batching, ray_address: str | None) -> bool:
    """Whether `run_job` plays in processes of its own, which it survives."""
    return workers > 1 or inference.actors > 0 or bool(ray_address) or job.limits.asked


def check_job(
    item: Work,
    job: Job,
    *,
    workers: int = 1,
    inference: Batching = ALONE,
    ray_address: str | None = None,
) -> None:
    """Check one environment of `job` before anything is played, where `run_job` would survive it."""
    if in_processes(job, workers, inference, ray_address):
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
    work: Sequence[Work], job: Job, workers: int, batching: Batching, address: str | None, view: View
) -> Iterator[tuple[int, Any]]:
    with ray_started(workers + batching.actors, address), TemporaryDirectory(prefix="uio2-") as notes:
        yield from Crew(work, job, workers, batching, Path(notes), view).play()
