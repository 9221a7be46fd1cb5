"""Compare training code with recorded outputs of the official one: `python -m tests.training_parity DIR
[--case NAME] [--strict]`.

DIR holds `NAME.json` ({"cases": [...]}) and `NAME.npz` (arrays `CASE/NAME`), as its README says. Prints a
line for each file, and one for each case that is off; exits 1 if one is. What no check reads is listed as
*not yet*, and counts as off under --strict. `--case` takes a file's stem or what follows its `__`; no match
exits 2.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.training_parity.registry import Outcome, checks, kind_of, recorded, run

_STYLES = {"ok": "green", "OFF": "bold red", "not yet": "yellow"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.training_parity", description=__doc__.splitlines()[0]
    )
    parser.add_argument("directory", type=Path, help="folder of recorded outputs")
    parser.add_argument("--case", help="only this file: its stem, or what follows its __")
    parser.add_argument("--strict", action="store_true", help="count what is not built yet as off")
    options = parser.parse_args(arguments)
    files = recorded(options.directory, options.case) if options.directory.is_dir() else []
    if not files:
        asked = "file" if options.case is None else f"case {options.case!r}"
        print(f"{options.directory}: no {asked} of recorded outputs", file=sys.stderr)
        return 2
    table = Table(title="against the official training code")
    for column in ("file", "cases", "largest error", "limit", "verdict", "where"):
        table.add_column(column)
    known, found = checks(), []
    for path in files:
        check = known.get(kind_of(path))
        outcomes = list(run(path, check))
        found += outcomes
        limit = "" if check is None else f"{check.tolerance:g}" if check.tolerance else "exact"
        for row in _rows(path.stem, outcomes, limit):
            table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    verdicts = [outcome.verdict for outcome in found]
    off, unknown = verdicts.count("OFF"), verdicts.count("not yet")
    print(f"{len(files)} files, {len(found)} cases, {unknown} not yet, {off} off")
    return 1 if off or (options.strict and unknown) else 0


def _rows(file: str, outcomes: list[Outcome], limit: str) -> list[list[str]]:
    """Return the line of a file, with its worst case, and a line for every case that is not as recorded."""
    bad = [outcome for outcome in outcomes if outcome.verdict != "ok"]
    rows = []
    if len(bad) < len(outcomes):
        errors = [
            error for outcome in outcomes if outcome.verdict == "ok" for error in outcome.errors.values()
        ]
        rows.append([file, str(len(outcomes) - len(bad)), f"{max(errors):.1e}", limit, _marked("ok"), ""])
    for outcome in bad:
        error = f"{outcome.errors[outcome.where]:.1e}" if outcome.errors else ""
        name = f"{file}, case {outcome.case}" if outcome.errors or len(outcomes) > 1 else file
        rows.append([name, "1", error, limit, _marked(outcome.verdict), escape(outcome.where)])
    return rows


def _marked(verdict: str) -> str:
    return f"[{_STYLES[verdict]}]{verdict}[/]"


if __name__ == "__main__":
    sys.exit(main())
