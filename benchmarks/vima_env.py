"""How fast the tabletop is: `python -m benchmarks.vima_env [task ...] [--episodes N] [--seed S]`.

Plays expert episodes in one process and prints, per task, milliseconds per reset and per step, episodes per
second on one core, and where the time goes: spawning, prompt pictures, observations (both views, RGB and
segmentation), the expert's thinking, the motion itself. Times are processor time, summed over threads; the
last column is the wall clock's rate. The first episodes pay for compiling and drawing textures and are
shown apart.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gymnasium
import mujoco
import numpy as np

import envs  # noqa: F401  (registers the ids)
from envs.vima import gl

TASKS = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")
clock = (
    time.process_time
)  # processor time of all threads: on a shared machine the wall clock measures the neighbours
PHASES = ("spawn", "assets", "observation", "expert", "motion")
UPSTREAM_EPISODES_PER_S = 0.44  # specs, section 17: reset, oracle and steps, mean over the 17 tasks


class Stopwatch:
    """Seconds per phase, measured around methods of an environment and its task."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def around(self, owner: Any, method: str, phase: str) -> None:
        inner: Callable = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = clock()
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds[phase] += clock() - begin

        setattr(owner, method, timed)


def measure(task: str, episodes: int, first_seed: int) -> dict[str, Any]:
    """Play expert episodes and return their times in seconds."""
    env = gymnasium.make(
        f"vima/{task}-v0", level="placement", expert=True, disable_env_checker=True
    ).unwrapped
    watch = Stopwatch()
    for owner, method, phase in (
        (env, "_spawn", "spawn"), (env.task, "assets", "assets"), (env, "_observation", "observation"),
        (env, "_expert_action", "expert"), (env, "_move", "motion"),
    ):  # fmt: skip
        watch.around(owner, method, phase)
    resets, steps, cold, solved = [], [], 0.0, 0
    warm_up, wall = 5, 0.0
    for number in range(warm_up + episodes):
        if number == warm_up:
            cold, resets, steps, solved = sum(resets) + sum(steps), [], [], 0
            watch.seconds.clear()
            wall = time.perf_counter()
        begin = clock()
        _, info = env.reset(seed=first_seed + number)
        resets.append(clock() - begin)
        done = False
        while not done and info["expert_action"] is not None:
            begin = clock()
            _, _, terminated, truncated, info = env.step(info["expert_action"])
            steps.append(clock() - begin)
            done = terminated or truncated
        solved += info["success"]
    env.close()
    total = sum(resets) + sum(steps)
    return {
        "resets": np.array(resets), "steps": np.array(steps),
        "rate": episodes / total, "solved": solved / episodes,
        "wall_rate": episodes / (time.perf_counter() - wall),
        "cold": cold / warm_up, "phases": {phase: watch.seconds[phase] / episodes for phase in PHASES},
        "other": (total - sum(watch.seconds.values())) / episodes,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5_000_000)
    arguments = parser.parse_args()
    print(
        f"{platform.machine()}, mujoco {mujoco.__version__}, {gl.BACKEND}, "
        f"{arguments.episodes} episodes a task, one process"
    )
    header = ["task", "reset ms p50/p95", "step ms p50/p95", "episodes/s", "× upstream", "solved", "cold ms"]
    print(" | ".join([*header, *(f"{phase} ms" for phase in (*PHASES, "other")), "episodes/s wall"]))
    for task in arguments.tasks:
        row = measure(task, arguments.episodes, arguments.seed)
        cells = [task]
        cells += [
            "{:.1f} / {:.1f}".format(*np.percentile(row[kind] * 1e3, (50, 95)))
            for kind in ("resets", "steps")
        ]
        cells += [
            f"{row['rate']:.1f}",
            f"{row['rate'] / UPSTREAM_EPISODES_PER_S:.0f}",
            f"{row['solved']:.0%}",
        ]
        cells += [f"{row['cold'] * 1e3:.0f}", *(f"{row['phases'][phase] * 1e3:.1f}" for phase in PHASES)]
        print(" | ".join([*cells, f"{row['other'] * 1e3:.1f}", f"{row['wall_rate']:.1f}"]), flush=True)


if __name__ == "__main__":
    main()
