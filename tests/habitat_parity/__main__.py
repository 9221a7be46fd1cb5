"""Compare Habitat's backends with outputs recorded from habitat-sim: `python -m tests.habitat_parity DIR
[--case NAME] [--backend NAME] [--strict]`.

DIR holds scenes made of boxes (`SCENE.json` beside `SCENE.glb`), and `nav_SCENE_*.npz`, `trajectories.npz`,
`renders.npz` and `api_facts_raw.json` about them. Backends: `house` is our simulator, `double` the adapter
for habitat-sim over a strict double of it, `habitat_sim` the same over the real one. Prints one line for each
measure; exits 1 if one is off. What is not known is listed as *not yet*, and counts as off under --strict.
`--case` takes a name of the first column, or what follows its `__`; no match exits 2.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.habitat_parity.backends import BACKENDS, opener
from tests.habitat_parity.recorded import cases

_STYLES = {"ok": "green", "OFF": "bold red", "not yet": "yellow"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.habitat_parity", description=__doc__.splitlines()[0]
    )
    parser.add_argument("directory", type=Path, help="folder of recorded outputs")
    parser.add_argument("--case", help="only this case")
    parser.add_argument("--backend", choices=BACKENDS, help="only this one (house and double)")
    parser.add_argument("--strict", action="store_true", help="count what is not known as off")
    options = parser.parse_args(arguments)
    found = [case for case in cases(options.directory) if case.matches(options.case)]
    if not found:
        asked = "case" if options.case is None else f"case {options.case!r}"
        print(f"{options.directory}: no {asked} of recorded outputs of habitat-sim", file=sys.stderr)
        return 2
    table = Table(title="against habitat-sim")
    for column in ("case", "backend", "measure", "found", "limit", "verdict"):
        table.add_column(column)
    verdicts = []
    for backend in (options.backend,) if options.backend else ("house", "double"):
        for case in found:
            for number, row in enumerate(case.compare(opener(backend))):
                verdicts.append(row.verdict)
                place = ("", "") if number else (case.name, backend)
                verdict = f"[{_STYLES[row.verdict]}]{row.verdict}[/]"
                table.add_row(*place, row.measure, row.found, row.limit, verdict)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    off, unknown = verdicts.count("OFF"), verdicts.count("not yet")
    print(f"{len(verdicts)} measures, {unknown} not yet, {off} off")
    return 1 if off or (options.strict and unknown) else 0


if __name__ == "__main__":
    sys.exit(main())
