"""`python -m tests.contract SUITE`: does a suite keep the contract of environments?

It prints a table and exits with 1 if something is off.

SUITE is a built-in or installed name, or `module:attribute`; 2 means that there is no such suite, task or
backend, or that it is not installed. Beside the checks of envs.contract it resolves the embodiment, which
envs, knowing nobody, cannot.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import envs
from envs.checks.subject import Subject, require
from envs.contract import CHECKS, OFF, Row, check, passed
from envs.errors import EnvError, unknown_name
from rollouts.words import free_value

STYLES = {"ok": "green", OFF: "bold red", "not offered": "dim"}


def check_embodiment(subject: Subject) -> str:
    """The embodiment is one that policies can resolve."""
    from policies import embodiments

    name = subject.suite.embodiment_of(subject.task)
    require(embodiments.get(name) is not None, f"no embodiment {name!r}")
    return name


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__.splitlines()[0])
    parser.add_argument("suite", help="a name, or module:attribute")
    parser.add_argument("--task", default="all", help="a,b; all if left out")
    parser.add_argument("--backend", help="the suite's first if left out")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a further argument of gym.make"
    )
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="episodes for each check (2)")
    parser.add_argument("--check", metavar="A,B", help=f"only these of: {', '.join(CHECKS)}, embodiment")
    asked = parser.parse_args(arguments)
    checks = {**CHECKS, "embodiment": check_embodiment}
    console = Console()
    try:
        if asked.seeds < 1:
            raise EnvError(f"--seeds {asked.seeds}: give at least 1")
        for name in (names := asked.check.split(",") if asked.check else list(checks)):
            if name not in checks:
                raise unknown_name("check", name, checks)
        backends = envs.suite(asked.suite).backends
        if asked.backend is not None and asked.backend not in backends:
            raise unknown_name("backend", asked.backend, backends)
        rows = check(
            asked.suite,
            tasks=asked.task,
            options={
                **({"backend": asked.backend} if asked.backend else {}),
                **{name: free_value(value) for name, _, value in (o.partition("=") for o in asked.option)},
            },
            seeds=range(asked.seeds),
            checks={name: checks[name] for name in names},
            say=lambda row: row.verdict == OFF and console.print(f"off: {row.task}, {row.check}: {row.said}"),
        )
    except EnvError as error:
        print(error, file=sys.stderr)
        return 2
    console.print(table(asked.suite, rows))
    return 0 if passed(rows) else 1


def table(name: str, rows: Sequence[Row]) -> Table:
    """One line for each task and check."""
    drawn = Table(title=f"the contract of environments, {name}")
    for column in ("task", "check", "verdict", "found"):
        drawn.add_column(column)
    for before, row in zip([None, *rows], rows, strict=False):
        task = row.task if before is None or before.task != row.task else ""
        drawn.add_row(task, row.check, f"[{STYLES[row.verdict]}]{row.verdict}[/]", row.said)
    return drawn


if __name__ == "__main__":
    sys.exit(main())
