"""The form that all pages share: one HTML file with its style and its script inside, which loads nothing from
elsewhere. Pictures and films lie beside it and are named relatively, so a directory can be moved, zipped or
served as it is.

Whatever has the class `item` and the attributes of `item_attributes` is filtered by task, level and outcome,
which stand in the address (`#task=rotate&outcome=failure`), and opened by its name
(`#rotate-placement-5000003`). Without the script a page is a plain list.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
_TAG = re.compile(r"<[^>]*>")


def document(
    title: str,
    lead: str,
    body: Iterable[str],
    *,
    kind: str,
    links: Sequence[tuple[str, str]] = (),
    refresh: int = 0,
) -> str:
    """Return a whole page.

    Args:
        title: its heading.
        lead: a line below it.
        body: HTML.
        kind: what the page is of, in a word or two.
        links: words and addresses of what lies beside the page.
        refresh: seconds after which a browser loads it again; 0 is never.
    """
    head = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    beside = "".join(f'<a href="{escape(address)}">{escape(words)}</a>' for words, address in links)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,">{head}'
        f"<style>{STYLE}</style></head>\n"
        f"<body><nav><b>{escape(kind)}</b>{beside}</nav>"
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>\n'
        + "\n".join(body)
        + f"\n<script>{_SCRIPT}</script></body></html>\n"
    )


def section(title: str, content: str) -> str:
    """Return a heading over HTML."""
    return f"<h2>{escape(title)}</h2>{content}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Return a table. Cells are HTML already; the first `left` columns are words, the others numbers. On a
    phone each row is a block, whose cells say their column's name.
    """
    names = [_TAG.sub("", cell) for cell in head]
    kinds = [" class=l" if place < left else "" for place in range(len(head))]
    top = "".join(f"<th{kind}>{cell}</th>" for kind, cell in zip(kinds, head, strict=True))
    lines = []
    for cells in rows:
        labels = [f' data-label="{name}"' if name else "" for name in names]
        parts = zip(kinds, labels, cells, strict=True)
        lines.append("<tr>" + "".join(f"<td{kind}{label}>{cell}</td>" for kind, label, cell in parts))
    return f"<table><tr>{top}</tr>{'</tr>'.join([*lines, ''])}</table>"


def tag(status: str) -> str:
    """Return how an episode ended, on its colour."""
    return f'<span class="tag {escape(status)}">{escape(status)}</span>'


def unfolded(title: str, content: str) -> str:
    """Return HTML that a click on its title shows."""
    return f"<details class=note><summary>{escape(title)}</summary>{content}</details>"


def filters() -> str:
    """Return the place of the controls that choose among the items below; the script fills it."""
    return '<form class="filter" hidden><output></output></form>'


def episode_name(task: str, level: str, seed: int) -> str:
    """Return what an episode is called in addresses and files."""
    return f"{task}-{level}-{seed}"


def item_attributes(name: str, task: str, level: str, outcome: str) -> str:
    """Return the attributes of an element that is filtered, and linked to as `#name`."""
    facts = {"id": name, "data-task": task, "data-level": level, "data-outcome": outcome}
    return " ".join(f'{key}="{escape(value)}"' for key, value in facts.items())
