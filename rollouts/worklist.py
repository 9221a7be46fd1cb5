"""From the words `env=`, `task=` and `level=` to a fixed list of work, and the checks that belong before the
first episode.

Which tasks and levels there are, the suite says. Names are checked here once, so that a mistyped one is a
single error and not a list of failed episodes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from envs.suites import ALL, Suite
from envs.suites import suite as find_suite
from rollouts.errors import RolloutError
from rollouts.runner import Work, work_list


def work_items(
    env: str, task: str | Sequence[str] | None, level: str | Sequence[str] | None, *, seed: int, episodes: int
) -> list[Work]:
    """`episodes` of each task at each level that holds it; level by level, tasks taking turns.

    No task are those the suite shows, no level is its default.
    """
    suite = find_suite(env)
    tasks = suite.task_names(task or suite.default_tasks or ALL)
    items: list[Work] = []
    for name in suite.level_names(level or suite.default_level):
        held = suite.tasks_at(name, tasks)
        if held:
            items += work_list(held, name, seed=seed, episodes=episodes * len(held), env=env)
    if not items:
        raise RolloutError(f"level={level} holds nothing of task={task}: {_places(suite, tasks)}")
    return [replace(item, index=index) for index, item in enumerate(items)]


def collected_tasks(env: str, task: str | Sequence[str], level: str) -> tuple[str, ...]:
    """The tasks of a collection, which has one level: `all` are those the level holds, a task named must be
    among them.
    """
    suite = find_suite(env)
    tasks = suite.task_names(task)
    held = suite.tasks_at(level, tasks)
    if not held or (task != ALL and len(held) < len(tasks)):
        absent = [name for name in tasks if name not in held]
        raise RolloutError(f"level={level} does not hold all of task={task}: {_places(suite, absent)}")
    return held


def collected_level(env: str, level: str | Sequence[str] | None) -> str:
    """The one level of a collection; the suite's default where none is named."""
    suite = find_suite(env)
    levels = suite.level_names(level or suite.default_level)
    if len(levels) != 1:
        raise RolloutError(f"level={level} names {len(levels)} levels: one level is collected at a time")
    return levels[0]


def _places(suite: Suite, tasks: Iterable[str]) -> str:
    known = suite.task_levels()
    return "; ".join(f"{name} exists at {', '.join(known[name])}" for name in tasks)
