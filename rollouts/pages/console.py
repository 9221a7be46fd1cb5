"""What commands print: tables that are never cut, and errors, each once."""

from collections.abc import Iterable, Mapping
from typing import Any

_LOG_COLUMNS = 120
"""How wide text runs where no terminal says it."""
_MOST_ERRORS, _LONGEST_ERROR = 10, 600


def show(*tables: Any) -> None:
    """Print rich tables whole: where the terminal is narrower, it breaks their lines. Text is taken as it is,
    brackets too.
    """
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    width = console.width
    for table in tables:
        needed = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
        console.width = max(width, needed)
        console.print(table)


def error_lines(errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each different message of episodes that ended in an error: how often, where first.

    `errors` have `task`, `level`, `seed` and `message`; the most frequent come first, and the lines end with
    what was left out.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for error in errors:
        groups.setdefault(" ".join(error["message"].split()), []).append(error)
    if not groups:
        return []
    total = sum(map(len, groups.values()))
    lines = [f"{total} {'episode' if total == 1 else 'episodes'} ended in an error:"]
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for message, group in ordered[:_MOST_ERRORS]:
        if len(message) > _LONGEST_ERROR:
            message = f"{message[:_LONGEST_ERROR]} … ({len(message)} characters)"
        first = group[0]
        at = "" if first["level"] is None else f" at {first['level']}"
        lines.append(f"  {len(group)} × {message}   (first: {first['task']}{at}, seed {first['seed']})")
    if left := ordered[_MOST_ERRORS:]:
        lines.append(f"  {sum(len(group) for _, group in left)} × {len(left)} other messages")
    return lines
