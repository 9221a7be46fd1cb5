"""How fast rollouts are: `python -m benchmarks.rollouts [--part workers|decisions|inference] [task ...]`.

`workers` plays and stores the expert's episodes with one worker and with two: episodes per second from the
moment when all workers are at work until the first has no more, and milliseconds of an episode by phase.
`decisions` asks a policy for one to sixteen decisions at once, without Ray. `inference` plays that policy in
several workers with their decisions made apart, one by one and in batches.

On a shared machine the wall clock measures the neighbours, so processor time is told beside it: what an
episode costs whoever plays it and, with several workers, the process that stores it. From it follows what
that many free cores would give.
"""

import argparse
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from envs.suites import suite as find_suite
from policies import load_policy
from policies.base import Policy, Step
from rollouts.datasets.encoding import EncodedEpisode, encode_episode
from rollouts.datasets.keeper import Keeper
from rollouts.datasets.writer import DatasetWriter
from rollouts.inference.messages import Batching
from rollouts.runner import PHASES, Episode, Work, work_list
from rollouts.workers import ALONE, Job, MakeEnv, run_job

ONE_CORE = {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}
"""Of numpy and torch, and of software OpenGL: the calling thread alone."""
FIRST_SEED = 4_500_000
WARM_UP = 6
"""A worker's first episodes, which pay for compiling and for textures, are not counted."""


@dataclass(frozen=True)
class Told:
    """What a worker tells when an episode is over."""

    worker: int
    """Its process."""
    now: float
    """The wall clock."""
    processor: float
    """Seconds of processor time so far."""
    steps: int
    phases: dict[str, float]
    """Seconds, the encoding included."""
    encoded: EncodedEpisode | None


def encoded(episode: Episode) -> Told:
    """Encode, as `uio2 collect` does."""
    began = time.perf_counter()
    kept = encode_episode(episode) if episode.status != "error" else None
    return _told(episode, kept, time.perf_counter() - began)


def counted(episode: Episode) -> Told:
    """Keep nothing, as `uio2 evaluate` does."""
    return _told(episode, None, 0.0)


def _told(episode: Episode, kept: EncodedEpisode | None, seconds: float) -> Told:
    phases = {**episode.timings, "encode": seconds}
    return Told(os.getpid(), time.time(), time.process_time(), episode.steps, phases, kept)


@dataclass(frozen=True)
class Rates:
    """What came of playing a work list, in seconds of an episode but for `wall`."""

    wall: float
    """Episodes per second while all workers were at work; NaN where that was never."""
    processor: float
    """Of processor time where it was played."""
    driver: float
    """Of processor time of the process that hands out and stores; 0 where that is the same."""
    phases: dict[str, float]
    write: float
    steps: float
    batch: str
    """Mean size, as the crew says it."""

    @property
    def free(self) -> float:
        """Processor seconds of an episode in all."""
        return self.processor + self.driver


def measured(
    work: Sequence[Work], job: Job, workers: int, batching: Batching = ALONE, folder: str | None = None
) -> Rates:
    """Play a work list, and store it where there is a folder."""
    told: list[Told] = []
    write, began = 0.0, 0.0
    results = run_job(work, job, workers=workers, inference=batching)
    writer = DatasetWriter(folder, {}) if folder else None
    keeper = Keeper(writer) if writer else None
    for each in results:
        told.append(each)
        began = began or time.process_time()  # from here on, for Ray takes seconds to start
        if keeper and each.encoded is not None:
            since = time.perf_counter()
            keeper.keep(each.encoded)
            write += time.perf_counter() - since
    if keeper:
        keeper.publish()
        writer.close()
    apart = workers > 1 or batching.actors > 0
    driver = (time.process_time() - began) / len(told) if apart else 0.0  # else it is the worker
    by_worker = {pid: [each for each in told if each.worker == pid] for pid in {t.worker for t in told}}
    lines = [sorted(line, key=lambda each: each.now)[WARM_UP:] for line in by_worker.values()]
    told = [each for line in lines for each in line]
    first, last = max(line[0].now for line in lines), min(line[-1].now for line in lines)
    spent = sum(line[-1].processor - line[0].processor for line in lines)
    return Rates(
        wall=sum(first < t.now <= last for t in told) / (last - first) if last > first else math.nan,
        processor=spent / (len(told) - len(lines)),
        driver=driver,
        phases={name: sum(t.phases[name] for t in told) / len(told) for name in (*PHASES, "encode")},
        write=write / len(work),
        steps=sum(t.steps for t in told) / len(told),
        batch=results.words().partition("batches of ")[2],
    )


def of_workers(env: str, tasks: Sequence[str], episodes: int) -> Table:
    """One worker against two with the expert, evaluated and collected."""
    table = Table(title=f"{episodes} expert episodes of {', '.join(tasks)}; ms of an episode")
    phases = "reset", "decide", "step", "encode", "write"
    for name in ("", "workers", "episodes/s", *phases, "processor", "driver"):
        table.add_column(name, justify="right")
    suite = find_suite(env)
    work = work_list(tasks, suite.default_level, env=env, seed=FIRST_SEED, episodes=episodes)
    said = []
    for kind, finish in (("evaluated", counted), ("collected", encoded)):
        job = Job("oracle", make_env=MakeEnv(dict(suite.expert_options({}))), finish=finish, maps=True)
        rates = []
        for workers in (1, 2):
            with TemporaryDirectory() as folder:
                stored = str(Path(folder) / "set") if finish is encoded else None
                rates.append(measured(work, job, workers, folder=stored))
            one = rates[-1]
            seconds = (
                *(one.phases[name] for name in (*PHASES, "encode")),
                one.write,
                one.processor,
                one.driver,
            )
            table.add_row(kind, str(workers), f"{one.wall:.2f}", *(f"{1e3 * s:.1f}" for s in seconds))
        said.append(
            f"{kind}, two are {rates[1].wall / rates[0].wall:.2f} x one by the wall clock, and "
            f"{2 * rates[0].free / rates[1].free:.2f} x by processor time, on two free cores"
        )
    table.caption = "\n".join(said)
    return table


def of_decisions(policy: Policy, task: str, sizes: Sequence[int], repeats: int) -> Table:
    """Decisions made at once, the first ones of as many episodes."""
    make, steps = MakeEnv(), []
    for work in work_list([task], "placement", env="vima", seed=FIRST_SEED, episodes=max(sizes)):
        env = make(work)
        steps.append(Step(work.index, *env.reset(seed=work.seed)))
        env.close()
    table = Table(title=f"{policy.name}: decisions at once, ms of processor time, best of {repeats}")
    table.add_column("batch", justify="right")
    table.add_column("ms a decision", justify="right")
    table.add_column("x one", justify="right")
    alone = 0.0
    for size in sizes:
        times = []
        for _ in range(repeats + 1):
            for step in steps[:size]:
                policy.reset(step.slot, step.observation, step.info)
            began = time.process_time()
            policy.act(steps[:size])
            times.append((time.process_time() - began) / size)
        best = min(times[1:])
        alone = alone or best
        table.add_row(str(size), f"{1e3 * best:.1f}", f"{alone / best:.2f}")
    return table


def of_inference(policy: str, task: str, episodes: int, workers: int) -> Table:
    """One inference actor, one by one and in batches, and workers that decide themselves."""
    table = Table(title=f"{policy}: {episodes} episodes of {task}, {workers} workers of one slot")
    for name in ("decided", "mean batch", "episodes/s", "decisions/s", "decide ms"):
        table.add_column(name, justify="right")
    job = Job(policy, {"batch_size": workers}, finish=counted, frames=False)
    work = work_list([task], "placement", env="vima", seed=FIRST_SEED, episodes=episodes)
    kinds = {
        "by each worker": ALONE,
        "apart, one by one": Batching(1, 1, 0.0),
        "apart, in batches": Batching(1, workers),
    }
    for name, batching in kinds.items():
        rates = measured(work, job, workers, batching)
        decide = 1e3 * rates.phases["policy"] / rates.steps
        numbers = f"{rates.wall:.2f}", f"{rates.wall * rates.steps:.2f}", f"{decide:.0f}"
        table.add_row(name, rates.batch or "1.0", *numbers)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=["visual_manipulation", "rotate", "scene_understanding"])
    parser.add_argument("--env", default="vima", help="of the part workers")
    parser.add_argument("--part", choices=["workers", "decisions", "inference"])
    parser.add_argument("--episodes", type=int, default=120)
    parser.add_argument("--policy", default="nano")
    parser.add_argument("--workers", type=int, default=4, help="those that inference serves")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    os.environ.update(ONE_CORE)
    console = Console(width=110)
    if options.part in (None, "workers"):
        console.print(of_workers(options.env, options.tasks, options.episodes))
    if options.part in (None, "decisions"):
        import torch

        torch.set_num_threads(1)
        policy = load_policy(options.policy, batch_size=16)
        console.print(of_decisions(policy, options.tasks[0], (1, 2, 4, 8, 16), options.repeats))
    if options.part in (None, "inference"):
        console.print(of_inference(options.policy, options.tasks[0], options.episodes, options.workers))


if __name__ == "__main__":
    main()
