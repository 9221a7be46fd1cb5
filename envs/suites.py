"""Suites: what a family of environments offers, so that nothing outside its own folder has to know its name.

A `Suite` says which tasks and levels there are and how an environment of them is made. Suites come from here,
from installed packages (entry point group `uio2_agent.suites`), or from `module:attribute`. Unusual: built-in
suites are named by import path, so that listing them loads no simulator.

This module refuses to know simulators, tasks and policies.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import gymnasium

from envs.errors import EnvError, unknown_name

ALL = "all"
ENTRY_POINTS = "uio2_agent.suites"

_BUILT_IN = {
    "vima": f"{__package__}.vima.suite:SUITE",
    "procthor": f"{__package__}.procthor.suite:SUITE",
    "habitat": f"{__package__}.habitat.suite:SUITE",
}

TaskLevels = Mapping[str, tuple[str, ...]]
"""Task → the levels that hold it, both in order."""


def _expert(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"expert": True}


def _plain_demonstrations(env_kwargs: Mapping[str, Any], style: str | None) -> dict[str, Any]:
    if style is not None:
        raise EnvError(f"expert_style={style}: the expert of this suite has one style, leave it out")
    return {}


def _as_played(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A suite's published protocol, for tables."""

    title: str
    """As its authors write it, such as "VIMA-Bench"."""
    levels: tuple[str, ...]
    """Tested levels, in order."""
    tasks: TaskLevels
    """Every task of the protocol, built or not, and the tested levels that hold it."""
    simulator: Callable[[Mapping[str, Any]], str]
    """Further arguments of `gym.make` → words for the simulator that was measured."""
    published: Path | None
    """YAML of published rows: `simulator`, `rows`, `sources`, `remarks`; None where there are none."""
    budget: str
    """A sentence that explains the budget of steps."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The tasks of one simulator family.

    >>> suite("vima").level_names("L1,L2")
    ['placement', 'combinatorial']
    """

    name: str
    """Gymnasium's namespace: ids are `{name}/{task}-v0`."""
    embodiment: str
    """Who acts: a registered name or `module:attribute`, which policies.embodiments resolves."""
    other_embodiments: Mapping[str, str] = field(default_factory=dict)
    """Task → who acts there instead. Such a task is played where it is named; `all` leaves it out, because a
    policy and a dataset are about one body."""
    entry_point: str | Callable[..., gymnasium.Env]
    """Makes an environment, as `gymnasium.register` takes it: called with `task=` and the caller's arguments,
    `level=` among them. Its `metadata` name the render modes."""
    tasks: TaskLevels | Callable[[], TaskLevels]
    """The tasks; a function where more can be registered later."""
    levels: Mapping[str, tuple[str, ...]]
    """Level → other names that are understood, in order."""
    default_level: str
    """What is played where no level is asked for."""
    default_tasks: tuple[str, ...] = ()
    """What a short rollout plays where no task is asked for; empty for all."""
    tested_levels: tuple[str, ...]
    """What `level=all` means."""
    train_level: str | None = None
    """What training draws from where the suite has a level for that."""
    backends: Mapping[str, str] = field(default_factory=dict)
    """Name → what it is, for `backend=`; the first is the default. Empty where there is one simulator and no
    such argument."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Optional import name → what it is for."""
    expert_options: Callable[[Mapping[str, Any]], dict[str, Any]] = _expert
    """Further arguments of `gym.make` → what an environment is made with for a policy that follows the
    expert."""
    demonstration_options: Callable[[Mapping[str, Any], str | None], dict[str, Any]] = _plain_demonstrations
    """Further arguments of `gym.make` and the expert's style asked for, or None → what collecting the
    expert's episodes adds to `expert_options`. EnvError for a style there is not."""
    play_options: Callable[[Mapping[str, Any]], dict[str, Any]] = _as_played
    """Further arguments of `gym.make` → what is added when a person plays, such as larger pictures."""
    max_steps: Callable[[str, Mapping[str, Any]], int]
    """(task, further arguments of `gym.make`) → budget of steps."""
    shown_metrics: tuple[str, ...] = ()
    """Which of the metrics in `info` tables of results show beside success, in order."""
    benchmark: Benchmark | None = None

    def __post_init__(self) -> None:
        asked = (self.default_level, *self.tested_levels, *([self.train_level] if self.train_level else ()))
        for level in asked:
            if level not in self.levels:
                raise unknown_name(f"level of suite {self.name}", level, self.levels)
        names = [*self.levels, *(alias for aliases in self.levels.values() for alias in aliases), ALL]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise EnvError(f"suite {self.name}: {', '.join(twice)} cannot name two levels")

    def task_levels(self) -> TaskLevels:
        """Return every task there is now with the levels that hold it."""
        return self.tasks() if callable(self.tasks) else self.tasks

    def embodiment_of(self, task: str) -> str:
        """Return who acts in a task."""
        return self.other_embodiments.get(task, self.embodiment)

    def own_tasks(self) -> tuple[str, ...]:
        """Return the tasks of the suite's own body."""
        return tuple(name for name in self.task_levels() if name not in self.other_embodiments)

    def task_names(self, words: str | Sequence[str]) -> list[str]:
        """Return the tasks that "all", "a", "a,b" or ["a", "b"] name, each once.

        Raises EnvError with the right names, the nearest before them.
        """
        known = self.task_levels()
        names = _words(words)
        if names == [ALL]:
            return list(known)
        for name in names:
            if name not in known:
                raise unknown_name("task", name, known)
        return list(dict.fromkeys(names))

    def level_names(self, words: str | Sequence[str]) -> list[str]:
        """Return the short names of the levels that "all", "a", "a,b" or ["a", "b"] name, each once.

        Raises EnvError with the right names, the nearest before them.
        """
        names = _words(words)
        if names == [ALL]:
            return list(self.tested_levels)
        return list(dict.fromkeys(self.level_name(name) for name in names))

    def level_name(self, level: str | None) -> str | None:
        """Return the short name of a level; None stays None (no restriction)."""
        return canonical_level(level, self.levels)

    def tasks_at(self, level: str, tasks: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return those of `tasks` (None: of all) that `level` holds. Raises EnvError for unknown names."""
        level, known = self.level_name(level), self.task_levels()
        names = known if tasks is None else self.task_names(list(tasks))
        return tuple(name for name in names if level in known[name])

    def env_id(self, task: str) -> str:
        """Return the gymnasium id of a task."""
        return f"{self.name}/{task}-v0"

    def register(self) -> None:
        """Register with gymnasium the ids of all tasks that have none yet.

        Gymnasium's own check of the order of calls stays out: environments of ours say it by themselves, as
        EnvError, and of more than that (envs.base).
        """
        for task in self.task_levels():
            if self.env_id(task) not in gymnasium.registry:
                gymnasium.register(
                    self.env_id(task),
                    entry_point=self.entry_point,
                    order_enforce=False,
                    kwargs={"task": task},
                )

    def make(self, task: str, level: str | None = None, **options: Any) -> gymnasium.Env:
        """Make the environment of a task, without gymnasium's per-step checks.

        `level=None` leaves the level to the environment. Raises EnvError for a name there is not.
        """
        if not isinstance(task, str) or task not in self.task_levels():
            raise unknown_name("task", task, self.task_levels())
        if level is not None:
            options["level"] = self.level_name(level)
        self.register()
        return gymnasium.make(self.env_id(task), disable_env_checker=True, **options)


def canonical_level(level: str | None, levels: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the short name of a level by itself or one of its other names; None stays None.

    >>> canonical_level("L2", {"placement": ("L1",), "combinatorial": ("L2",)})
    'combinatorial'
    """
    if level is None or (isinstance(level, str) and level in levels):
        return level
    for name, aliases in levels.items():
        if isinstance(level, str) and level in aliases:
            return name
    raise unknown_name("level", level, levels, (alias for aliases in levels.values() for alias in aliases))


def suite(spec: str) -> Suite:
    """Return a suite, its ids registered with gymnasium.

    `spec` is a built-in name, a name from the entry point group `uio2_agent.suites`, or `module:attribute`,
    importable from the working directory or the installation. Raises EnvError with the valid names, the
    nearest before them, or with the reason why a suite cannot be imported.
    """
    spec = str(spec)
    if spec in _BUILT_IN:
        place = _BUILT_IN[spec]
    elif spec in (installed := _installed()):
        place = installed[spec]
    elif ":" in spec:
        place = spec
    else:
        error = unknown_name("suite", spec, suite_names())
        raise EnvError(f"{error}, or module:attribute")
    found = _imported(place)
    found.register()
    return found


def register_built_in() -> None:
    """Register the ids of the built-in suites."""
    for name in _BUILT_IN:
        suite(name)


def suite_names() -> list[str]:
    """Return the names of the built-in suites and of those that installed packages bring."""
    return list(dict.fromkeys((*_BUILT_IN, *sorted(_installed()))))


@cache
def _installed() -> dict[str, str]:
    """The suites of installed packages: name → `module:attribute`."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def _imported(spec: str) -> Suite:
    module_name, _, attribute = spec.partition(":")
    if "" not in sys.path and spec not in _BUILT_IN.values():
        sys.path.append("")  # a console script does not look into the working directory by itself
    try:
        module = importlib.import_module(module_name)
    except (
        ImportError,
        ValueError,
        TypeError,
    ) as error:  # the last two: a name that is none, such as "." or ""
        raise EnvError(
            f"suite {spec}: cannot import {module_name!r} ({error}); is it on PYTHONPATH?"
        ) from error
    except (Exception, SystemExit) as error:  # somebody's module may do anything at all
        raise EnvError(f"suite {spec}: cannot import {module_name!r}, {error!r}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Suite):
        held = sorted(name for name, value in vars(module).items() if isinstance(value, Suite))
        raise EnvError(
            f"suite {spec}: {module_name} has no Suite {attribute!r}; it has {', '.join(held) or 'none'}"
        )
    return found


def _words(value: str | Sequence[str]) -> list[str]:
    """Return the words of "a", "a,b" or ["a", "b"]."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else list(map(str, value))
