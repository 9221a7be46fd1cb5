"""The page and the table of an evaluation."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pretrain.pages.shell import document, html_table, section, unfolded
from rollouts.pages.cards import Card, gallery
from rollouts.pages.film import video_path
from rollouts.pages.strip import picture_path
from rollouts.results.benchmark_tables import panels
from rollouts.results.files import RESULT, policy_name
from uio2_agent.files import replace_file


def write_evaluation(directory: Path, result: Mapping[str, Any], page: Path | None = None) -> Path:
    """Write the page of a `result.json`, whose videos lie in `directory`; returns the page's path."""
    page = page or directory / "index.html"
    rows = result["rows"]
    env = rows[0]["env"] if rows else result["recipe"]["env"]
    count, first = len(result["episodes"]), result["recipe"]["seed"]
    lead = f"{count} episodes, seeds from {first}. Bars: success; lines: Wilson 95 %."
    body = [_rows(rows, _metrics(result)), *_benchmark(result)]
    if result["episodes"]:
        cards = [_episode_card(directory, page.parent, episode) for episode in result["episodes"]]
        body.append(section("Episodes", gallery(cards)))
    body.append(unfolded("time", _timing(result["timing"])))
    body.append(_provenance(result))
    beside = {"numbers": RESULT, "settings": "config.yaml", "dataset": "dataset/", "films": "videos/"}
    links = [
        (words, _relative(directory / name, page.parent))
        for words, name in beside.items()
        if (directory / name).exists()
    ]
    title = f"{policy_name(result)} in {env}"
    kind = "rollout" if (directory / "dataset").is_dir() else "evaluation"
    replace_file(page, document(title, lead, body, kind=kind, links=links))
    return page


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


def _episode_card(directory: Path, page: Path, row: Mapping[str, Any]) -> Card:
    """The card of an episode on a page in a directory; older results have no pictures."""
    film, strip = directory / video_path(row), directory / picture_path(row)
    shape = row["pictures"] if "pictures" in row and strip.exists() else ()
    return Card(
        task=row["task"],
        level=row["level"],
        seed=row["seed"],
        status=row["status"],
        facts=f"{row['steps']} step{'' if row['steps'] == 1 else 's'}",
        prompt=row["prompt"],
        lines=row["action_texts"],
        error=row.get("message", ""),
        strip=_relative(strip, page) if shape else "",
        strip_shape=shape,
        film=_relative(film, page) if film.exists() else "",
    )


def _relative(path: Path, page: Path) -> str:
    """How a page in a directory names a file."""
    return Path(os.path.relpath(path, page)).as_posix()


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
        counts = (
            row["episodes"],
            _chosen(row["successes"], row, "success"),
            f"{row['rate']:.1%}",
            f"{low:.1f} – {high:.1f} %",
        )
        means = (_mean(row, metric) for metric in shown)
        errors = _chosen(row["metrics"]["errors"], row, "error")
        metrics = f"{row['metrics']['steps']:.2f}", *means, errors
        lines.append([_chosen(row["task"], row), escape(row["level"]), bar, *map(str, (*counts, *metrics))])
    counts = ["episodes", "solved", "success", "95 %", "steps", *map(_named, shown), "errors"]
    return html_table(["task", "level", "", *counts], lines, 3)


def _chosen(shown: Any, row: Mapping[str, Any], outcome: str = "") -> str:
    """A cell that chooses its episodes on the page; none where it counts none."""
    if shown == 0:
        return "0"
    asked = {"task": row["task"], "level": row["level"], **({"outcome": outcome} if outcome else {})}
    return f'<a href="#{escape(urlencode(asked))}">{escape(str(shown))}</a>'


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


def _provenance(result: Mapping[str, Any]) -> str:
    facts = {
        "policy": result["recipe"]["policy"],
        "commit": result["git_sha"],
        "checkpoint": result["checkpoint_hash"] or "none",
        **result["versions"],
    }
    text = " · ".join(f"{name} {value}" for name, value in facts.items() if value)
    return unfolded("made with", f"<p><code>{escape(text)}</code></p>")
