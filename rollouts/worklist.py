"""From the words `task=` and `level=` to a fixed list of work, and the checks that belong before the first
episode.

Names are checked here once, so that a mistyped one is a single error and not a list of failed episodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rollouts.collect import registered_tasks, tasks_at
from rollouts.errors import RolloutError
from rollouts.runner import Work, work_list

ALL = "all"


def task_names(env: str, task: str | Sequence[str]) -> list[str]:
    """The tasks that `task=` names: one, several, or `all`. EnvError lists the right names, the nearest
    first.
    """
    from envs.errors import unknown_name

    built = registered_tasks(env)
    if task == ALL:
        return list(built)
    names = _words(task)
    for name in names:
        if name not in built:
            raise unknown_name("task", name, built)
    return names


def level_names(level: str | Sequence[str]) -> list[str]:
    """The short names of the levels that `level=` names; `all` are the four that are tested on."""
    from envs.vima.levels import LEVELS, level_name

    if level == ALL:
        return [name for name in LEVELS if name != "train"]
    return list(dict.fromkeys(level_name(name) for name in _words(level)))


def work_items(
    env: str, task: str | Sequence[str], level: str | Sequence[str], *, seed: int, episodes: int
) -> list[Work]:
    """`episodes` of each task at each level that holds it; level by level, tasks taking turns."""
    tasks = task_names(env, task)
    items: list[Work] = []
    for name in level_names(level):
        held = tasks_at(name, tasks)
        if held:
            items += work_list(held, name, seed=seed, episodes=episodes * len(held), env=env)
    if not items:
        raise RolloutError(f"level={level} holds nothing of task={task}: {_places(tasks)}")
    return [replace(item, index=index) for index, item in enumerate(items)]


def collected_tasks(env: str, task: str | Sequence[str], level: str) -> tuple[str, ...]:
    """The tasks of a collection, which has one level: `all` are those the level holds, a task named must be
    among them.
    """
    tasks = task_names(env, task)
    held = tasks_at(level, tasks)
    if not held or (task != ALL and len(held) < len(tasks)):
        absent = [name for name in tasks if name not in held]
        raise RolloutError(f"level={level} does not hold all of task={task}: {_places(absent)}")
    return held


def check_environment(make_env: Callable[[Work], Any], item: Work) -> Mapping[str, Any]:
    """Make and reset one environment here, so that a missing GL library is one error; return what it sees."""
    env = make_env(item)
    try:
        return env.reset(seed=item.seed)[0]
    finally:
        env.close()


def _places(tasks: Sequence[str]) -> str:
    from envs.vima.levels import LEVELS, TASK_LEVELS

    return "; ".join(f"{name} exists at {', '.join(TASK_LEVELS.get(name, LEVELS))}" for name in tasks)


def _words(value: str | Sequence[str]) -> list[str]:
    """Return the words of "a", "a,b" or [a, b]."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else list(map(str, value))
