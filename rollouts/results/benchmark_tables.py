"""The words of a benchmark's summary: cells and notes that the terminal and the page both show.

A number that stands for less than the whole carries a `*`, and a note below says what is missing. Published
numbers stand beside whole levels only: beside a few episodes they would compare what cannot be compared.

It refuses to know how cells are drawn, and computes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

INCOMPLETE = "*"
NOTHING = "–"
PUBLISHED = "published"
ENOUGH = 20
"""Episodes of each task from which on a level is compared with published numbers."""
_COUNTS = {2: "two", 3: "three", 4: "four"}

Grid = tuple[list[str], list[list[str]]]
"""Names of the columns, and lines of cells; the first column holds words, the others numbers."""


def panels(
    summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Grid, list[str]]]:
    """Title, cells and notes of our table and, if there is one, of the published one; `rows` are those of
    `result.json`.
    """
    shown = [(f"{summary['title']}, tasks by level", _tasks_by_level(summary, rows), _notes(summary))]
    if summary["published"] and (levels := _whole_levels(summary, rows)):
        shown.append((_published_title(summary), _published_rows(summary, levels), _published_notes(summary)))
    return shown


def holds_whole_level(summary: Mapping[str, Any] | None) -> bool:
    """Whether a summary says more than the rows it is made of: the mean of a level without a gap."""
    return bool(summary) and any(not level["missing"] for level in summary["levels"])


def _whole_levels(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Levels of which every task was evaluated, on enough episodes."""
    played = {(row["task"], row["level"]): row["episodes"] for row in rows}
    return [
        level["level"]
        for level in summary["levels"]
        if not level["missing"] and all(played[task, level["level"]] >= ENOUGH for task in level["evaluated"])
    ]


def _tasks_by_level(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Grid:
    """One line for each task, `steps` being its budget, then the level means, then their mean."""
    levels = summary["levels"]
    found = {(row["task"], row["level"]): row for row in rows}
    lines = []
    for task in summary["tasks"]:
        keys = [(task["task"], level["level"]) for level in levels]
        rates = [_rate(found[key]) if key in found else "" for key in keys]
        lines.append([task["task"], str(task["max_steps"]), *rates])
    means = [_rate(level) + (INCOMPLETE if level["missing"] else "") for level in levels]
    lines.append(["tasks", "", *(f"{len(level['evaluated'])} of {level['of']}" for level in levels)])
    lines.append(["mean of the tasks", "", *means])
    mean = _rate(summary["mean"]) + ("" if summary["mean"]["complete"] else INCOMPLETE)
    lines.append(
        [f"mean of the {_COUNTS.get(len(levels), len(levels))} levels", "", mean, *[""] * (len(levels) - 1)]
    )
    return ["task", "steps", *(_words(level["level"]) for level in levels)], lines


def _published_rows(summary: Mapping[str, Any], levels: Sequence[str]) -> Grid:
    """The published numbers of some levels, per cent, and their mean if these are all."""
    columns = [*levels, *(["mean"] if len(levels) == len(summary["levels"]) else [])]
    rows = summary["published"]["rows"]
    return (
        [PUBLISHED, *map(_words, columns)],
        [
            [row["policy"], *(NOTHING if row.get(c) is None else f"{row[c]:.1f}" for c in columns)]
            for row in rows
        ],
    )


def _published_title(summary: Mapping[str, Any]) -> str:
    """What the published rows are, which nobody may mistake for ours."""
    simulator = summary["published"]["simulator"]
    if simulator in summary["simulator"]:
        return f"Published, measured by others on {summary['title']}'s simulator ({simulator})"
    return f"Published, measured on another simulator ({simulator}): no comparison like with like"


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """What the table needs to be read rightly: protocol, then everything that is missing."""
    fewest, most = summary["episodes_per_task"]
    number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    first, last = summary["seeds"]
    said = [
        "Per cent solved, with 95 % intervals: Wilson's for a task, combined in squares for means. "
        f"N = {number} episodes of each task and level, seeds {first} to {last}, "
        f"simulator {summary['simulator']}.",
        f"{summary['budget']} A level's mean weighs its tasks alike, the last number its levels.",
    ]
    for level in summary["levels"]:
        for reason, tasks in level["missing"].items():
            named = "all its tasks" if len(tasks) == level["of"] else ", ".join(tasks)
            said.append(f"{INCOMPLETE} {level['level']} is incomplete, {reason}: {named}.")
    return said


def _published_notes(summary: Mapping[str, Any]) -> list[str]:
    """Where each published row comes from and how sure it is, then what sets the rows apart."""
    published = summary["published"]
    grouped: dict[tuple[str, str], list[str]] = {}
    for row in published["rows"]:
        grouped.setdefault((row["source"], row["confidence"]), []).append(row["policy"])
    said = [
        f"{', '.join(policies)}: {published['sources'][source]}; {confidence}."
        for (source, confidence), policies in grouped.items()
    ]
    return [*said, *published["remarks"]]


def _rate(row: Mapping[str, Any]) -> str:
    if row["rate"] is None:
        return NOTHING
    return f"{100 * row['rate']:.1f} ({100 * row['low']:.0f}–{100 * row['high']:.0f})"


def _words(level: str) -> str:
    return level.replace("_", " ")
