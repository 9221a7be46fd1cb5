"""The page and the table of an evaluation or a dataset. One HTML file, no scripts; videos and pictures lie
beside it and are named relatively, so a directory can be moved, zipped or served as it is.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from rollouts.pages.film import choose, video_path
from rollouts.results.benchmark_tables import panels
from rollouts.results.files import policy_name
from uio2_agent.files import replace_file

_MOST_LINES = 12
_STYLE = (Path(__file__).parent / "page.css").read_text()


@dataclass(frozen=True)
class Card:
    """One episode on a page. Paths are relative to the page."""

    heading: str
    status: str
    prompt: str
    lines: Sequence[str]
    video: str
    poster: str = ""
    map: str = ""
    """A picture of the way from above."""
    map_words: str = ""
    """The same in words."""
    notes: Sequence[tuple[str, str]] = ()
    """Further things to unfold: a title, and what it tells."""


def write_evaluation(directory: Path, result: Mapping[str, Any], page: Path | None = None) -> Path:
    """Write the page of a `result.json`, whose videos lie in `directory`; returns the page's path."""
    page = page or directory / "index.html"
    rows = result["rows"]
    env = rows[0]["env"] if rows else result["recipe"]["env"]
    count, first = len(result["episodes"]), result["recipe"]["seed"]
    lead = f"{count} episodes, seeds from {first}. Bars: success; lines: Wilson 95 %."
    body = [_rows(rows, _metrics(result)), *_benchmark(result), section("Time", _timing(result["timing"]))]
    for row in rows:
        mine = [e for e in choose(result["episodes"], len(result["episodes"])) if _of(e, row)]
        cards = [
            _episode_card(directory, page.parent, e) for e in mine if (directory / video_path(e)).exists()
        ]
        if cards:
            body.append(section(f"{row['task']} · {row['level']}", gallery(cards)))
    body.append(_every_episode(result["episodes"]))
    body.append(_provenance(result))
    replace_file(page, document(f"{policy_name(result)} in {env}", lead, body))
    return page


def document(title: str, lead: str, body: Iterable[str]) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f'<body><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def section(title: str, content: str) -> str:
    """A heading over HTML."""
    return f"<h2>{escape(title)}</h2>{content}"


def gallery(cards: Iterable[Card]) -> str:
    """Cards side by side."""
    return '<div class="cards">' + "\n".join(map(_card, cards)) + "</div>"


def table(result: Mapping[str, Any]) -> Any:
    """The rows as a rich table for the terminal."""
    from rich import box
    from rich.table import Table

    levels = list(dict.fromkeys(row["level"] for row in result["rows"]))
    where = f", level {levels[0]}" if len(levels) == 1 else ""
    shown = Table(
        title=f"policy {policy_name(result)}{where}",
        caption="95 %: Wilson's interval; ms of a reset, a decision, an environment step",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        collapse_padding=True,
        pad_edge=False,
    )
    for column in ("task", "level")[: 1 if where else 2]:
        shown.add_column(column, no_wrap=True)
    metrics = _metrics(result)
    for column in ("n", "success", "95 %", "steps", *map(_named, metrics), "reset", "policy", "env"):
        shown.add_column(column, justify="right", no_wrap=True)
    for row, spent in zip(result["rows"], result["timing"], strict=True):
        names = [row["task"]] if where else [row["task"], row["level"]]
        interval = f"{100 * row['low']:.0f}–{100 * row['high']:.0f}"
        times = (f"{spent[key]:.0f}" for key in ("reset_ms", "policy_ms", "step_ms"))
        counts = str(row["episodes"]), f"{row['rate']:.1%}", interval, f"{row['metrics']['steps']:.1f}"
        shown.add_row(*names, *counts, *(_mean(row, metric) for metric in metrics), *times)
    return shown


def benchmark_tables(result: Mapping[str, Any]) -> list[Any]:
    """The benchmark's summary as rich tables, ours and the published rows; none where there is no summary."""
    from rich import box
    from rich.table import Table

    tables = []
    for title, (head, lines), notes in _panels(result):
        shown = Table(
            title=title,
            caption="\n".join(notes),
            title_justify="left",
            caption_justify="left",
            box=box.SIMPLE,
            collapse_padding=True,
            pad_edge=False,
        )
        for place, column in enumerate(head):
            justify = "right" if place else "left"
            shown.add_column(column, justify=justify, no_wrap=place == 0, overflow="fold")
        for cells in lines:
            shown.add_row(*cells)
        tables.append(shown)
    return tables


def _card(card: Card) -> str:
    lines = _lines(card.lines)
    if card.map:
        words = escape(card.map_words)
        lines = f'<img class=map src="{escape(card.map)}" alt="{words}"><p class="faint">{words}</p>{lines}'
    lines += "".join(_unfolded(title, escape(text)) for title, text in card.notes)
    options = "controls loop muted playsinline preload=none"
    poster = f' poster="{escape(card.poster)}"' if card.poster else ""
    return (
        f'<div class="card"><video src="{escape(card.video)}"{poster} {options}></video>'
        f'<div>{_tag(card.status)} <span class="faint">{escape(card.heading)}</span>'
        f"<p>{escape(card.prompt)}</p>{lines}</div></div>"
    )


def _lines(lines: Sequence[str]) -> str:
    """A line each, or many of them in one, to unfold."""
    if len(lines) <= _MOST_LINES:
        return "".join(f"<p><code>{escape(line)}</code></p>" for line in lines)
    runs = [(line, len(list(same))) for line, same in groupby(lines)]
    text = ", ".join(line if count == 1 else f"{line} × {count}" for line, count in runs)
    return _unfolded(f"{len(lines)} actions", f"<code>{escape(text)}</code>")


def _unfolded(title: str, content: str) -> str:
    return f"<details class=note><summary>{escape(title)}</summary><p>{content}</p></details>"


def _episode_card(directory: Path, page: Path, row: Mapping[str, Any]) -> Card:
    video = directory / video_path(row)
    lines = row["action_texts"] + ([row["message"]] if "message" in row else [])
    relative, poster = (
        Path(os.path.relpath(path, page)).as_posix() for path in (video, video.with_suffix(".jpg"))
    )
    return Card(
        f"seed {row['seed']}, {row['steps']} step{'' if row['steps'] == 1 else 's'}",
        row["status"],
        row["prompt"],
        lines,
        relative,
        poster,
    )


def _of(episode: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return (episode["task"], episode["level"]) == (row["task"], row["level"])


def _tag(status: str) -> str:
    return f'<span class="tag {escape(status)}">{escape(status)}</span>'


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """Cells are HTML already; the first `left` columns are words, the others numbers."""

    def line(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(
            f"<{kind}{' class=l' if i < left else ''}>{cell}" for i, cell in enumerate(cells)
        )

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"


def _metrics(result: Mapping[str, Any]) -> Sequence[str]:
    """The metrics that tables show; results of older programs say none."""
    return result.get("shown_metrics", ())


def _named(metric: str) -> str:
    return metric.replace("_", " ")


def _mean(row: Mapping[str, Any], metric: str) -> str:
    """A metric's mean; a dash where every episode was an error."""
    return f"{row['metrics'][metric]:.2f}" if metric in row["metrics"] else "–"


def _rows(rows: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    lines = []
    for row in rows:
        low, high = 100 * row["low"], 100 * row["high"]
        interval = f"left:{low:.1f}%;width:{high - low:.1f}%"
        bar = f'<span class=bar><i style="width:{row["rate"]:.1%}"></i><b style="{interval}"></b></span>'
        counts = (row["episodes"], row["successes"], f"{row['rate']:.1%}", f"{low:.1f} – {high:.1f} %")
        means = (_mean(row, metric) for metric in shown)
        metrics = f"{row['metrics']['steps']:.2f}", *means, row["metrics"]["errors"]
        lines.append([escape(row["task"]), escape(row["level"]), bar, *map(str, (*counts, *metrics))])
    counts = ["episodes", "solved", "success", "95 %", "steps", *map(_named, shown), "errors"]
    return html_table(["task", "level", "", *counts], lines, 3)


def _benchmark(result: Mapping[str, Any]) -> list[str]:
    """The benchmark's summary as sections of the page."""
    sections = []
    for title, (head, lines), notes in _panels(result):
        cells = [[escape(cell) for cell in line] for line in lines]
        said = "".join(f'<p class="faint">{escape(note)}</p>' for note in notes)
        sections.append(section(title, html_table(head, cells, 1) + said))
    return sections


def _panels(result: Mapping[str, Any]) -> list[Any]:
    summary = result.get(
        "benchmark"
    )  # evaluations of older programs have none, or one that names no benchmark
    return panels(summary, result["rows"]) if summary and "title" in summary else []


def _timing(timing: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [escape(row["task"]), escape(row["level"])]
        + [f"{row[key]:.1f}" for key in ("reset_ms", "policy_ms", "step_ms")]
        for row in timing
    ]
    head = ["task", "level", "reset, ms per episode", "policy, ms per step", "environment, ms per step"]
    return html_table(head, lines, 2)


def _every_episode(episodes: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [escape(row["task"]), escape(row["level"]), _tag(row["status"]), escape(row["prompt"])]
        + [str(row["seed"]), str(row["steps"])]
        for row in episodes
    ]
    table = html_table(["task", "level", "outcome", "prompt", "seed", "steps"], lines, 4)
    return f"<details><summary>all {len(episodes)} episodes</summary>{table}</details>"


def _provenance(result: Mapping[str, Any]) -> str:
    facts = {
        "policy": result["recipe"]["policy"],
        "commit": result["git_sha"],
        "checkpoint": result["checkpoint_hash"] or "none",
        **result["versions"],
    }
    text = " · ".join(f"{name} {value}" for name, value in facts.items() if value)
    return f"<details><summary>made with</summary><p><code>{escape(text)}</code></p></details>"
