"""The tabletop as a suite: VIMA-Bench's tasks and those registered from outside, its levels and its protocol.

Loads no simulator.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.errors import EnvError
from envs.suites import Benchmark, Suite
from envs.vima.levels import LEVEL_ALIASES, LEVELS, TASK_LEVELS, TESTED_LEVELS
from envs.vima.registration import BACKENDS, EXTRA_STEPS, TASKS, find_task

PLAY_IMAGE_SIZE = (512, 1024)
"""Pictures for a person who plays; the benchmark's are a quarter as wide."""


def _tasks() -> dict[str, tuple[str, ...]]:
    """Every task known now; those that are not the benchmark's exist at every level."""
    return {task: TASK_LEVELS.get(task, LEVELS) for task in TASKS}


def _upstream(env_kwargs: Mapping[str, Any]) -> bool:
    return env_kwargs.get("backend") == "upstream"


def _demonstration_options(env_kwargs: Mapping[str, Any], style: str | None) -> dict[str, Any]:
    """One learnable way where our expert acts; upstream's oracle has its own style only."""
    if style is None:
        style = "upstream" if _upstream(env_kwargs) else "canonical"
    return {"expert_style": style}


def _play_options(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {} if _upstream(env_kwargs) else {"image_size": PLAY_IMAGE_SIZE}  # upstream draws in one size only


def _max_steps(task: str, env_kwargs: Mapping[str, Any]) -> int:
    """The expert's budget at the difficulty asked for, and the steps beyond it; loads the task."""
    return find_task(task)(difficulty=env_kwargs.get("difficulty", "easy")).oracle_max_steps + EXTRA_STEPS


def _simulator(env_kwargs: Mapping[str, Any]) -> str:
    simulator = "VIMA-Bench (PyBullet)" if _upstream(env_kwargs) else "uio2-agent (MuJoCo)"
    difficulty = env_kwargs.get("difficulty", "easy")
    return simulator if difficulty == "easy" else f"{simulator}, difficulty {difficulty}"


SUITE = Suite(
    name="vima",
    embodiment="vima",
    entry_point=f"{__package__}.registration:make_env",
    tasks=_tasks,
    levels=LEVEL_ALIASES,
    default_level="placement",
    default_tasks=("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding"),
    tested_levels=TESTED_LEVELS,
    train_level="train",
    backends={name: meaning for name, (_, meaning) in BACKENDS.items()},
    packages={"vima_bench": "the original VIMA-Bench, for backend=upstream"},
    demonstration_options=_demonstration_options,
    play_options=_play_options,
    max_steps=_max_steps,
    benchmark=Benchmark(
        title="VIMA-Bench",
        levels=TESTED_LEVELS,
        tasks={
            task: tuple(level for level in TESTED_LEVELS if level in levels)
            for task, levels in TASK_LEVELS.items()
        },
        simulator=_simulator,
        published=Path(__file__).with_name("published.yaml"),
        budget=f"Budget, in the column steps: the expert's longest solution and {EXTRA_STEPS} steps "
        f"(oracle_max_steps + {EXTRA_STEPS}).",
    ),
)


def register_task(task: type) -> type:
    """Add a `Task` subclass under its `name` and register `vima/<name>-v0`; usable as a class decorator.

    Worker processes that are spawned rather than forked must import the module that does so.
    """
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not name:
        raise EnvError(f"task class {task!r} has no name: set `name` to what follows `vima/` in its id")
    TASKS[name] = task
    SUITE.register()
    return task
