"""The checker: does a suite keep the contract of envs.base? `check` returns a row for each rule and task.

`python -m tests.contract SUITE` prints them. The checks themselves are small functions in envs.checks; more
can be handed in. Unusual: what an environment does not offer is no fault, as long as it says so.

This module refuses to know suites by name, policies and tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import envs.checks.episodes as episodes
import envs.checks.uses as uses
from envs.checks.subject import NotOffered, Off, Subject
from envs.errors import EnvError
from envs.suites import Suite, suite

OK, OFF, NOT_OFFERED = "ok", "off", "not offered"

Check = Callable[[Subject], str | None]


@dataclass(frozen=True)
class Row:
    """What became of one check of one task."""

    task: str
    check: str
    verdict: str
    """`ok`, `off` or `not offered`."""
    said: str = ""
    """What was found, or the rule that does not hold."""


CHECKS: dict[str, Check] = {
    "gymnasium": episodes.check_gymnasium,
    "spaces": episodes.check_spaces,
    "info": episodes.check_info,
    "levels": episodes.check_levels,
    "same seed": episodes.check_same_seed,
    "other process": episodes.check_other_process,
    "seeds differ": episodes.check_seeds_differ,
    "unseeded": episodes.check_unseeded,
    "state": episodes.check_state,
    "recorded objects": uses.check_objects,
    "expert": uses.check_expert,
    "vector sync": uses.check_vector_sync,
    "vector async": uses.check_vector_async,
    "arrays stay": uses.check_arrays_stay,
    "actions stay": uses.check_actions_stay,
    "errors of names": uses.check_errors_of_names,
    "errors of calls": uses.check_errors_of_calls,
    "render": uses.check_render,
    "watch": uses.check_watch,
    "depth": uses.check_depth,
    "map": uses.check_map,
    "close": uses.check_close,
}
"""By name, in the order they run."""


def check(
    spec: str | Suite,
    *,
    tasks: str | Sequence[str] = "all",
    options: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (0, 1),
    checks: Mapping[str, Check] = CHECKS,
    say: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Check tasks of a suite, each at the first level that holds it, and return the rows.

    Arguments:
        spec: a suite, or what `envs.suite` takes. A suite whose functions cannot be pickled goes by name.
        tasks: as `Suite.task_names` takes them.
        options: further arguments of `gym.make`, such as `{"backend": ...}`.
        seeds: episodes that are played; more take longer and say more of the expert.
        checks: name → check; `CHECKS` unless others are wanted.
        say: called with each row as it comes.

    Raises EnvError for names there are not, and where not even an environment can be made.
    """
    found = spec if isinstance(spec, Suite) else suite(spec)
    names = found.task_names(tasks)
    if not seeds:
        raise EnvError("a check plays at least one seed, found none")
    rows = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:
        for task in names:
            subject = Subject(
                spec=spec,
                task=task,
                level=found.task_levels()[task][0],
                options=dict(options or {}),
                seeds=tuple(seeds),
                elsewhere=elsewhere,
            )
            if not rows:
                subject.make().close()  # a simulator that is not installed is one error, not a table of them
            for name, each in checks.items():
                rows.append(Row(task, name, *_verdict(each, subject)))
                say(rows[-1])
    return rows


def passed(rows: Iterable[Row]) -> bool:
    """Tell whether no check is off."""
    return all(row.verdict != OFF for row in rows)


def _verdict(each: Check, subject: Subject) -> tuple[str, str]:
    try:
        return OK, each(subject) or ""
    except NotOffered as reason:
        return NOT_OFFERED, str(reason)
    except Off as rule:
        return OFF, str(rule)
    except Exception as error:  # whatever else an environment raises is what is wrong with it
        return OFF, f"{type(error).__name__}: {' '.join(str(error).split())}"
