"""The page and the table of drawn goals."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from pretrain.pages.shell import (
    document,
    episode_name,
    filters,
    html_table,
    item_attributes,
    section,
    tag,
)
from rollouts.imagine import KINDS, RESULT, picture_path
from uio2_agent.files import replace_file

_TITLES = {
    "first": "first observation",
    "imagined": "imagined goal",
    "best": "the real goal through the tokenizer",
    "real": "the expert's goal",
    "reached": "what the model reached",
}
_SCORES = {
    "psnr_db": ("PSNR, dB", "{:.1f}"),
    "features": ("distance of features", "{:.3f}"),
    "placed": ("things in place", "{:.0%}"),
    "moved": ("moved things in place", "{:.0%}"),
}


def write(directory: Path, result: Mapping[str, Any], shown: int) -> Path:
    """Write the page of the results in a directory, with the pictures of so many episodes; return it."""
    rows = [row for row in result["rows"] if "scores" in row]
    unsolved = len(result["rows"]) - len(rows)
    lead = f"{len(rows)} goals on seeds from {result['recipe']['seed']}."
    if unsolved:
        lead += f" {unsolved} episodes that the expert did not solve have none."
    episodes = "".join(_episode(row) for row in spread(rows, shown))
    body = [section("Against the expert's goal", _table(result))]
    body.append(section("Episodes", filters() + episodes))
    page = directory / "index.html"
    title, links = f"Goals imagined by {result['model']}", [("numbers", RESULT)]
    replace_file(page, document(title, lead, body, kind="imagination", links=links))
    return page


def spread(rows: list[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """Return so many rows, spread over all."""
    if len(rows) <= count:
        return rows
    return [rows[place * len(rows) // count] for place in range(count)]


def lines(result: Mapping[str, Any]) -> list[list[str]]:
    """Return the table's cells, its head first."""
    cells = [["picture", *(title for title, _ in _SCORES.values()), "episodes"]]
    for kind, scores in result["summary"].items():
        title = "copy of the first observation" if kind == "first" else _TITLES[kind]
        values = [
            form.format(scores[name][0]) if name in scores else "–" for name, (_, form) in _SCORES.items()
        ]
        cells.append([title, *values, str(scores["psnr_db"][1])])
    return cells


def console_table(result: Mapping[str, Any]) -> Any:
    """The same as a rich table."""
    from rich.table import Table

    head, *rest = lines(result)
    shown = Table(title=f"goals imagined by {result['model']}")
    for place, column in enumerate(head):
        shown.add_column(column, justify="right" if place else "left")
    for cells in rest:
        shown.add_row(*cells)
    return shown


def _table(result: Mapping[str, Any]) -> str:
    head, *rest = ([escape(cell) for cell in cells] for cells in lines(result))
    return html_table(head, rest, 1)


def _episode(row: Mapping[str, Any]) -> str:
    figures = "".join(
        f'<figure><img src="{escape(picture_path(*_key(row), kind).as_posix())}" alt="{_TITLES[kind]}" '
        f"loading=lazy><figcaption>{_TITLES[kind]}</figcaption></figure>"
        for kind in KINDS
        if kind != "reached" or "acted" in row
    )
    name = episode_name(*_key(row))
    words = f"{row['task']} · {row['level']} · seed {row['seed']}"
    outcome = "not played" if "acted" not in row else "success" if row["acted"] else "failure"
    return (
        f'<div class="item" {item_attributes(name, row["task"], row["level"], outcome)}><p>'
        f'{tag(outcome)} <a href="#{escape(name)}">{escape(words)}</a><br>{escape(row["prompt"])}</p>'
        f"<div class=pictures>{figures}</div></div>"
    )


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["task"], row["level"], row["seed"]
