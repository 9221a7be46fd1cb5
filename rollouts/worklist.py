"""From the words `env=`, `task=` and `level=` to a fixed list of work, and the checks that belong before the
first episode.

Which tasks and levels there are, the suite says. Names are checked here once, so that a mistyped one is a
single error and not a list of failed episodes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from envs.suites import ALL, Suite
from envs.suites import suite as find_suite
from rollouts.errors import RolloutError

if TYPE_CHECKING:
    from rollouts.runner import Work

Words = str | Sequence[str] | None
"""A name, "a,b", several of them, or None where nothing was asked for."""


def work_items(env: str, task: Words, level: Words, *, seed: int, episodes: int) -> "list[Work]":
    """`episodes` of each task at each level that holds it; level by level, tasks taking turns."""
    from rollouts.runner import work_list

    items: list[Work] = []
    for name, held in tasks_by_level(env, task, level).items():
        items += work_list(held, name, seed=seed, episodes=episodes * len(held), env=env)
    return [replace(item, index=index) for index, item in enumerate(items)]


def tasks_by_level(env: str, task: Words, level: Words) -> dict[str, tuple[str, ...]]:
    """The tasks that are played at each level; every task that is named is at one of them at least.

    No task are those the suite shows, and `all` those of its own body. Without a level it is the suite's
    default; a task named which exists at one other level only is played there.
    """
    suite = find_suite(env)
    named = task is not None and not _is_all(task)
    if task is None:
        tasks = list(suite.default_tasks or suite.own_tasks())
    else:
        tasks = suite.task_names(task) if named else list(suite.own_tasks())
    if level is None and named:
        own = {each: _own_level(suite, each) for each in tasks}
        places = {name: tuple(each for each in tasks if own[each] == name) for name in suite.levels}
    else:
        levels = [suite.default_level] if level is None else suite.level_names(level)
        places = {name: suite.tasks_at(name, tasks) for name in levels}
    absent = [each for each in tasks if not any(each in held for held in places.values())]
    if not tasks or len(absent) == len(tasks) or (named and absent):
        where = suite.default_level if level is None else level
        raise RolloutError(f"level={_word(where)} lacks {_places(suite, absent) or 'every task: task=[]'}")
    return {name: held for name, held in places.items() if held}


def bodies(env: str, task: Words, level: Words) -> tuple[str, ...]:
    """Who acts in what is played, each once."""
    suite, places = find_suite(env), tasks_by_level(env, task, level)
    return tuple(dict.fromkeys(suite.embodiment_of(each) for held in places.values() for each in held))


def one_level(env: str, task: Words, level: Words) -> tuple[str, tuple[str, ...]]:
    """The level of a collection, or of what a person plays, and its tasks; several levels are refused."""
    places = tasks_by_level(env, task, level)
    levels = list(places) if level is None else find_suite(env).level_names(level)
    if len(levels) > 1:
        raise RolloutError(f"one level at a time, found {', '.join(levels)}: choose one with level=")
    return next(iter(places.items()))


def one_task(env: str, task: Words, level: Words) -> tuple[str, tuple[str, ...]]:
    """The level and the one task that a person plays; no task is the first that the suite shows."""
    suite = find_suite(env)
    shown = (suite.default_tasks or tuple(suite.task_levels()))[:1]
    place, tasks = one_level(env, shown if task is None else task, level)
    if len(tasks) > 1:
        raise RolloutError(f"one task at a time, found {', '.join(tasks)}: choose one with task=")
    return place, tasks


def shard_numbers(shard: str) -> tuple[int, int]:
    """(i, n) of `i/n`."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", shard)
    if not (match and 1 <= int(match[1]) <= int(match[2])):
        raise RolloutError(f"shard={shard} is not i/n with 1 <= i <= n, such as 1/4")
    return int(match[1]), int(match[2])


def _is_all(words: Words) -> bool:
    return words in (ALL, [ALL], (ALL,))


def _own_level(suite: Suite, task: str) -> str:
    """The level a task is played at where none is asked for: the default, or the only one it exists at."""
    levels = suite.task_levels()[task]
    return levels[0] if len(levels) == 1 else suite.default_level if suite.default_level in levels else ""


def _word(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else f"[{','.join(words)}]"


def _places(suite: Suite, tasks: Iterable[str]) -> str:
    known = suite.task_levels()
    return "; ".join(f"{name}, which exists at {', '.join(known[name])}" for name in tasks)
