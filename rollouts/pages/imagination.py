"""The page and the table of drawn goals."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from rollouts.imagine import KINDS, picture_path
from rollouts.pages.report import document, section
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
_STYLE = (
    "<style>.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 8px; "
    "margin: 4px 0 22px } .row img { width: 100%; image-rendering: pixelated } figure { margin: 0 } "
    "figcaption { font-size: 12.5px; color: var(--faint) }</style>"
)


def write(directory: Path, result: Mapping[str, Any], shown: int) -> Path:
    """Write the page of the results in a directory, with the pictures of so many episodes; return it."""
    rows = [row for row in result["rows"] if "scores" in row]
    unsolved = len(result["rows"]) - len(rows)
    lead = f"{len(rows)} goals on seeds from {result['recipe']['seed']}."
    if unsolved:
        lead += f" {unsolved} episodes that the expert did not solve have none."
    body = [_STYLE, section("Against the expert's goal", _table(result))]
    body.append(section("Episodes", "".join(_episode(row) for row in spread(rows, shown))))
    page = directory / "index.html"
    replace_file(page, document(f"Goals imagined by {result['model']}", lead, body))
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
    top = "".join(f"<th{'' if i else ' class=l'}>{cell}" for i, cell in enumerate(head))
    below = "".join(
        "<tr>" + "".join(f"<td{'' if i else ' class=l'}>{cell}" for i, cell in enumerate(cells))
        for cells in rest
    )
    return f"<table><tr>{top}{below}</table>"


def _episode(row: Mapping[str, Any]) -> str:
    figures = "".join(
        f'<figure><img src="{escape(picture_path(*_key(row), kind).as_posix())}" alt="{_TITLES[kind]}" '
        f"loading=lazy><figcaption>{_TITLES[kind]}{_outcome(row, kind)}</figcaption></figure>"
        for kind in KINDS
        if kind != "reached" or "acted" in row
    )
    words = f"{row['task']} · {row['level']} · seed {row['seed']}"
    return (
        f'<p><span class="faint">{escape(words)}</span><br>{escape(row["prompt"])}</p>'
        f"<div class=row>{figures}</div>"
    )


def _outcome(row: Mapping[str, Any], kind: str) -> str:
    return "" if kind != "reached" else (": solved" if row["acted"] else ": not solved")


def _key(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["task"], row["level"], row["seed"]
