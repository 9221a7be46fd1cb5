"""The page and the tables of a loop: the curve of success by round, what was kept, and what it is compared
with.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pretrain.pages.shell import document, html_table, section, unfolded
from rollouts.improving.record import RECORD
from rollouts.improving.rounds import START, stage
from uio2_agent.files import replace_file

_PREFIX = {"improved": "round", "control": "control"}
_COLOURS = {"improved": "#208c4e", "control": "#4e79a7"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 360, 240, 40, 30, 34
_ASIDE = 5
"""Pixels that the second arm's marks stand to the right of the first's."""
_NOTE = (
    "Test success with Wilson's 95 % interval. Filled: kept; hollow: rolled back, the next round began from "
    "the best again. The line is that of the best weights, chosen on the validation seeds alone."
)


def write(directory: Path, record: Mapping[str, Any]) -> Path:
    """Write the page of a record in its directory; return it."""
    seeds = record["seeds"]
    told = {name: f"{seeds[name][0]} to {seeds[name][1]}" for name in ("validation", "test", "collected")}
    lead = (
        f"Seeds {told['test']} tell the success, {told['validation']} decide what is kept, and those that "
        f"are collected lie between {told['collected']}."
    )
    body = [section("Success by round", f"{_curves(record)}<p class=faint>{escape(_NOTE)}</p>")]
    for name in record["arms"]:
        body.append(section(_titles(name), _table(round_lines(record, name))))
        body.append(_links(record, name))
    for other in record.get("compared", {}):
        body.append(section(_against(other), _table(compared_lines(record, other))))
    page = directory / "index.html"
    title = f"{record['policy']} improved in {record['recipe']['env']}"
    links = [(name, name) for name in (RECORD, "config.yaml") if (directory / name).exists()]
    replace_file(page, document(title, lead, body, kind="improvement", links=links))
    return page


def best_place(directory: Path, record: Mapping[str, Any]) -> str:
    """Return where the best weights of the loop lie, or what they are called if none were better."""
    best = record["arms"]["improved"][-1]["best"]
    return record["policy"] if best == START else str(directory / best)


def console_tables(record: Mapping[str, Any]) -> list[Any]:
    """The tables for the terminal."""
    from rich import box
    from rich.table import Table

    tables = {_titles(name): round_lines(record, name) for name in record["arms"]}
    tables |= {_against(other): compared_lines(record, other) for other in record.get("compared", {})}
    shown = []
    for title, (head, *lines) in tables.items():
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for place, column in enumerate(head):
            table.add_column(column, justify="right" if place else "left")
        for cells in lines:
            table.add_row(*cells)
        shown.append(table)
    return shown


def round_lines(record: Mapping[str, Any], arm: str) -> list[list[str]]:
    """Return the cells of an arm's rounds, the head first."""
    rounds = record["arms"][arm]
    names = [_named(row, rounds[0]["test"]) for row in rounds[0]["test"]]
    lines = [["round", "episodes", "kept", "validation", *names, "95 %"]]
    for each in rounds:
        number, validation, test = each["round"], each["validation"][-1], each["test"]
        learned = sum(
            facts["learned"]
            for name, facts in record["stages"].items()
            if name.startswith(stage(_PREFIX[arm], number, "")) and "learned" in facts
        )
        kept = "–" if not number else "yes" if each["kept"] else "no"
        interval = f"{100 * test[-1]['low']:.0f} – {100 * test[-1]['high']:.0f}"
        rates = [f"{row['rate']:.1%}" for row in test]
        lines.append(
            [
                str(number),
                f"+{learned}" if number else "–",
                kept,
                f"{validation['rate']:.1%}",
                *rates,
                interval,
            ]
        )
    return lines


def compared_lines(record: Mapping[str, Any], other: str) -> list[list[str]]:
    """Return the cells of a paired comparison on the test seeds, the head first."""
    lines = [
        ["task", "seeds", other, "improved", "difference", f"only {other}", "only improved", "p (McNemar)"]
    ]
    rows = record["compared"][other]
    for row in rows:
        difference = f"{100 * (row['second'] - row['first']):+.1f} points"
        counts = row["only_first"], row["only_second"]
        rates = f"{row['first']:.1%}", f"{row['second']:.1%}"
        name = _named(row, rows)
        lines.append([name, str(row["seeds"]), *rates, difference, *map(str, counts), f"{row['p']:.3g}"])
    return lines


def _named(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """A task's name, with its level where there are several."""
    levels = {each["level"] for each in rows} - {"all"}
    return row["task"] if row["task"] == "all" or len(levels) < 2 else f"{row['task']} {row['level']}"


def _titles(arm: str) -> str:
    return {
        "improved": "The policy's rounds",
        "control": "The control's rounds: as many of the expert's demonstrations",
    }[arm]


def _against(other: str) -> str:
    whose = {"start": "those of the start", "control": "the control's best"}[other]
    return f"The best weights against {whose}, on the same test seeds"


def _table(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = ([escape(cell) for cell in cells] for cells in lines)
    return html_table(head, rest, 1)


def _links(record: Mapping[str, Any], arm: str) -> str:
    """What each round left, and where."""
    lines = []
    for name, facts in record["stages"].items():
        if not name.startswith(_PREFIX[arm]):
            continue
        place = f"{name}/index.html" if {"rows", "steps"} & facts.keys() else f"{name}/"
        told = " · ".join(f"{key} {_plain(value)}" for key, value in facts.items() if key != "rows")
        lines.append([f'<a href="{escape(place)}">{escape(name)}</a>', escape(told)])
    return unfolded("stages", html_table(["stage", "facts"], lines, 2))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    return "–".join(map(str, value)) if isinstance(value, list) else str(value)


def _curves(record: Mapping[str, Any]) -> str:
    rows = record["arms"]["improved"][0]["test"]
    panels = [_panel(record, place, _named(row, rows)) for place, row in enumerate(rows)]
    return f"<div class=figures>{''.join(panels[-1:] + panels[:-1])}</div>"


def _panel(record: Mapping[str, Any], place: int, title: str) -> str:
    """One task's curve, of both arms."""
    last = max(len(rounds) - 1 for rounds in record["arms"].values())
    wide, tall = _WIDTH - 2 * _LEFT, _HEIGHT - _TOP - _BOTTOM

    def x(number: int) -> float:
        return _LEFT + wide * number / max(last, 1)

    def y(rate: float) -> float:
        return _TOP + tall * (1 - rate)

    parts = [
        f'<text x="{_LEFT}" y="16" font-weight="600">{escape("together" if title == "all" else title)}</text>'
    ]
    for level in (0, 0.25, 0.5, 0.75, 1):
        ends = f'x1="{_LEFT}" x2="{_LEFT + wide}" y1="{y(level):.1f}" y2="{y(level):.1f}"'
        parts.append(
            f'<line stroke="var(--line)" {ends}/><text x="4" y="{y(level) + 4:.1f}">{level:.0%}</text>'
        )
    parts += [
        f'<text x="{x(number):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{number}</text>'
        for number in range(last + 1)
    ]
    for shift, (name, rounds) in enumerate(record["arms"].items()):
        colour = _COLOURS[name]
        aside = shift * _ASIDE
        by_weights = {each["weights"]: each["test"][place]["rate"] for each in rounds}
        line = " ".join(f"{x(e['round']) + aside:.1f},{y(by_weights[e['best']]):.1f}" for e in rounds)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for each in rounds:
            row, across = each["test"][place], x(each["round"]) + aside
            tip = f"{name}, round {each['round']}: {row['successes']} of {row['episodes']}"
            fill = colour if each["kept"] else "none"
            parts.append(
                f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{y(row["low"]):.1f}" '
                f'y2="{y(row["high"]):.1f}" '
                f'stroke="{colour}"/><circle cx="{across:.1f}" cy="{y(row["rate"]):.1f}" r="4" fill="{fill}" '
                f'stroke="{colour}"><title>{escape(tip)}</title></circle>'
            )
        across = _LEFT + wide - 90 * (1 - shift)
        parts.append(f'<text x="{across}" y="16" style="fill:{colour}" text-anchor="end">{name}</text>')
    shape = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" fill="currentColor" font-size="11"'
    return f'<svg {shape} role="img" aria-label="success by round">{"".join(parts)}</svg>'
