"""How fast the tabletop is: `python -m benchmarks.vima_env [task ...] [--against upstream] [--workers N]`.

Plays expert episodes of each task, one core, in a process of its own that imports `envs` alone, and prints
milliseconds of a reset and of a step, episodes per second and the peak of resident memory. The rates are of
processor time summed over threads: on a shared machine the wall clock measures the neighbours. The first
episodes, which pay for compiling and for textures, are played before and count for memory only.

`--against upstream` plays the same tasks on an installed `vima_bench` (docs/vima_upstream.md) in the same
run. `--phases` tells where our time goes. `--workers 2` plays all tasks in one process and then in two at
once, by the wall clock. `--copies 16` compares the memory of one environment with that of many.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console
from rich.table import Table

import envs  # noqa: F401  (registers the ids)
from envs.base import FIRST_HELD_OUT_SEED
from envs.vima.levels import TASK_LEVELS

PHASES = {"_spawn": "spawn", "_observation": "observation", "_expert_action": "expert", "_move": "motion"}
WARM_UP = 3
ONE_CORE = {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}
"""Of numpy and torch, and of software OpenGL: the calling thread alone."""


@dataclass
class Times:
    """Seconds of one task's resets and steps, of its phases by name, and memory in megabytes."""

    resets: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    solved: int = 0
    peak_mb: float = 0.0

    @property
    def episode(self) -> float:
        return (sum(self.resets) + sum(self.steps)) / len(self.resets)

    def cells(self) -> list[str]:
        """Return a reset, a step (median and 95th percentile, ms), episodes per second, memory, solved."""
        middle = [
            "{:.1f} / {:.1f}".format(*np.percentile(s, (50, 95)) * 1e3) for s in (self.resets, self.steps)
        ]
        solved = f"{self.solved}/{len(self.resets)}"
        return [*middle, f"{1 / self.episode:.2f}", f"{self.peak_mb:.0f}", solved]


def play(env: gymnasium.Env, seeds: range, times: Times) -> None:
    """Play the expert's episodes and note their times."""
    for seed in seeds:
        begin = time.process_time()
        _, info = env.reset(seed=seed)
        times.resets.append(time.process_time() - begin)
        done = False
        while not done and info["expert_action"] is not None:
            begin = time.process_time()
            _, _, terminated, truncated, info = env.step(info["expert_action"])
            times.steps.append(time.process_time() - begin)
            done = terminated or truncated
        times.solved += bool(info["success"])


def make(task: str, backend: str) -> gymnasium.Env:
    options = {"motion_timeout": 60.0} if backend == "upstream" else {}
    level = TASK_LEVELS[task][0]
    name = f"vima/{task}-v0"
    return gymnasium.make(
        name, level=level, backend=backend, expert=True, disable_env_checker=True, **options
    ).unwrapped


def watch(env: Any, phases: dict[str, float]) -> None:
    """Add the time spent in parts of our environment to `phases`."""

    def around(owner: Any, method: str, phase: str) -> None:
        inner = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.process_time()
            try:
                return inner(*args, **kwargs)
            finally:
                phases[phase] += time.process_time() - begin

        setattr(owner, method, timed)

    for method, phase in PHASES.items():
        around(env, method, phase)
    around(env.task, "assets", "assets")


def measure(task: str, backend: str, episodes: int, first_seed: int) -> Times:
    """Measure a task (in a process of its own)."""
    env, times = make(task, backend), Times()
    play(env, range(first_seed - WARM_UP, first_seed), Times())
    if backend == "mujoco":
        watch(env, times.phases)
    play(env, range(first_seed, first_seed + episodes), times)
    env.close()
    times.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return times


def rate(tasks: list[str], episodes: int, first_seed: int, ready: Any) -> float:
    """Play all tasks once everybody is warm; return episodes per second by the wall clock."""
    made = [make(task, "mujoco") for task in tasks]
    for env in made:
        play(env, range(first_seed - WARM_UP, first_seed), Times())
    ready.wait()
    begin = time.perf_counter()
    for env in made:
        play(env, range(first_seed, first_seed + episodes), Times())
    return len(tasks) * episodes / (time.perf_counter() - begin)


def memory_of_copies(task: str, copies: int) -> float:
    """Hold that many environments in mid-episode; return the peak of resident memory in megabytes."""
    held = [make(task, "mujoco") for _ in range(copies)]
    for seed, env in enumerate(held):
        _, info = env.reset(seed=seed)
        env.step(info["expert_action"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def table_of_tasks(tasks: list[str], episodes: int, seed: int, against: str | None, theirs: int) -> Table:
    """Measure every task, with both simulators if asked to."""
    table = Table(
        title=f"{episodes} expert episodes of each task" + f", {theirs} of {against}'s" * bool(against)
    )
    head = ["reset ms p50 / p95", "step ms p50 / p95", "episodes/s", "peak MB", "solved"]
    table.add_column("task")
    for name in (*head, *([f"{against}: {name}" for name in head] + ["ratio"] if against else [])):
        table.add_column(name, justify="right")
    sums = [0.0, 0.0]
    for task in tasks:
        ours = apart(measure, task, "mujoco", episodes, seed)
        sums[0] += ours.episode
        cells = ours.cells()
        if against:
            other = apart(measure, task, against, theirs, seed)
            sums[1] += other.episode
            cells += [*other.cells(), f"{other.episode / ours.episode:.0f}"]
        table.add_row(task, *cells)
    cells = ["", "", f"{len(tasks) / sums[0]:.2f}", "", ""]
    if against:
        cells += ["", "", f"{len(tasks) / sums[1]:.2f}", "", "", f"{sums[1] / sums[0]:.0f}"]
    table.add_row("all, alike", *cells)
    return table


def table_of_phases(tasks: list[str], episodes: int, seed: int) -> Table:
    """Tell where our time goes, in milliseconds of an episode."""
    names = [*PHASES.values(), "assets"]
    table = Table(title="processor time, ms of an episode")
    table.add_column("task")
    for name in (*names, "rest", "all"):
        table.add_column(name, justify="right")
    for task in tasks:
        times = apart(measure, task, "mujoco", episodes, seed)
        parts = [times.phases[name] / episodes for name in names]
        table.add_row(task, *(f"{1e3 * s:.1f}" for s in (*parts, times.episode - sum(parts), times.episode)))
    return table


def rates_of_workers(tasks: list[str], episodes: int, seed: int, workers: int) -> Iterator[str]:
    """Compare one process with several at once, each with the same episodes."""
    totals = []
    for count in (1, workers):
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager, ProcessPoolExecutor(count, mp_context=context) as pool:
            ready = manager.Barrier(count)
            totals.append(sum(pool.map(rate, *zip(*[(tasks, episodes, seed, ready)] * count, strict=True))))
        yield f"{count} worker{'s' * (count > 1)}: {totals[-1]:.1f} episodes/s"
    yield f"{workers} workers are {totals[1] / totals[0]:.2f} x one, by the wall clock"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="task", help="all 17 if none is named")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=FIRST_HELD_OUT_SEED)
    parser.add_argument("--against", choices=["upstream"])
    parser.add_argument("--their-episodes", type=int, default=3)
    parser.add_argument("--phases", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--copies", type=int, default=1)
    options = parser.parse_args()
    tasks = options.tasks or list(TASK_LEVELS)
    if unknown := [task for task in tasks if task not in TASK_LEVELS]:
        parser.error(f"unknown tasks {unknown}; there are {', '.join(TASK_LEVELS)}")
    os.environ.update(ONE_CORE)
    console = Console(width=None if options.against is None else 220)
    console.print(
        f"{platform.machine()}, Python {platform.python_version()}; level placement, or a task's first"
    )
    work = tasks, options.episodes, options.seed
    console.print(table_of_tasks(*work, options.against, options.their_episodes))
    if options.phases:
        console.print(table_of_phases(*work))
    if options.workers > 1:
        for line in rates_of_workers(*work, options.workers):
            console.print(line)
    if options.copies > 1:
        one, many = (apart(memory_of_copies, tasks[0], count) for count in (1, options.copies))
        console.print(f"{tasks[0]}: {one:.0f} MB with one environment, {many:.0f} MB with {options.copies}")


if __name__ == "__main__":
    main()
