"""`uio2 compare A B`: a paired test of two evaluations."""

from collections.abc import Mapping
from typing import Any

from rollouts.output import claim, write_json
from rollouts.pages.console import show
from rollouts.results.comparison import compare
from rollouts.results.files import load, policy_name


def main(keys: Mapping[str, Any]) -> int:
    """Print the table, and write it where `output` says."""
    from rich.table import Table

    results = {place: load(keys[place]) for place in ("first", "second")}
    rows = compare(*results.values())
    table = Table()
    for name, justify in (("task", "left"), ("level", "left"), ("seeds", "right"), ("first", "right")):
        table.add_column(name, justify=justify)
    for name in ("second", "only first", "only second", "p"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = (
            row["seeds"],
            f"{row['first']:.1%}",
            f"{row['second']:.1%}",
            row["only_first"],
            row["only_second"],
        )
        table.add_row(row["task"], row["level"], *map(str, counts), f"{row['p']:.3g}")
    for place, result in results.items():
        print(f"{place:<7} {policy_name(result)}   {keys[place]}")
    show(table)
    if keys["output"]:
        write_json(claim(keys["output"]) / "compare.json", rows)
    return 0
