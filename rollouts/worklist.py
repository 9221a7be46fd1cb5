"""From the words `env=`, `task=` and `level=` to a fixed list of work, and the checks that belong before the
first episode.

Which tasks and levels there are, the suite says. Names are checked here once, so that a mistyped one is a
single error and not a list of failed episodes.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from envs.errors import EnvError
from envs.suites import ALL, Suite
from envs.suites import suite as find_suite
from rollouts.errors import RolloutError
from rollouts.runner import Work, described, work_list


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


def check_environment(make_env: Callable[[Work], Any], item: Work) -> None:
    """Make and reset one environment here, so that a missing GL library is one error.

    EnvError for what the environment refuses, RolloutError where it cannot be made for another reason; of
    what else is wrong with this episode, the episode will tell.
    """
    try:
        env = make_env(item)
    except (EnvError, RolloutError):
        raise
    except (Exception, SystemExit) as error:
        raise RolloutError(f"cannot make an environment of task={item.task}: {described(error)}") from error
    try:
        env.reset(seed=item.seed)
    except EnvError:
        raise
    except (Exception, SystemExit):
        pass
    finally:
        with suppress(Exception, SystemExit):
            env.close()


def check_apart(make_env: Callable[[Work], Any], item: Work, patience: float) -> None:
    """Do the same in a process of its own, of which nothing is heard if it dies or takes longer than
    `patience` seconds.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(there, make_env, item))
    process.start()
    there.close()
    try:
        refusal = here.recv() if here.poll(patience) else None
    except EOFError:
        refusal = None
    finally:
        process.kill()
        process.join()
    if refusal is not None:
        raise refusal


def _tell(there: Connection, make_env: Callable[[Work], Any], item: Work) -> None:
    try:
        check_environment(make_env, item)
    except (EnvError, RolloutError) as refusal:
        there.send(refusal)
    else:
        there.send(None)


def _places(suite: Suite, tasks: Iterable[str]) -> str:
    known = suite.task_levels()
    return "; ".join(f"{name} exists at {', '.join(known[name])}" for name in tasks)
