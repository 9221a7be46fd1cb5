"""Curves of a run: one JSON line per record, and a picture a person can look at.

The picture is an SVG drawn here, which saves a plotting library.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pretrain.errors import TrainingError
from uio2_agent.files import append_line, replace_file

METRICS, PICTURE = "metrics.jsonl", "curves.svg"
_COLOURS = ("#4e79a7", "#ff5759", "#59a94f", "#f28e2b", "#b07aa1", "#76b7b2", "#808000", "#555555")
_WIDTH, _HEIGHT, _MARGIN = 420, 220, 42


class Curves:
    """Records of a run in its directory. Opening it again after a stop drops what came after `step`.

    Raises TrainingError naming the file and the line where there are no records.
    """

    def __init__(self, directory: Path, step: int):
        self._directory = directory
        path = directory / METRICS
        self.records: list[dict[str, float]] = [record for record in _read(path) if record["step"] <= step]
        replace_file(path, "".join(json.dumps(record) + "\n" for record in self.records))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a record and redraw the picture. Names are `group/curve`: one panel per group."""
        record = {"step": step, **{name: round(float(value), 5) for name, value in values.items()}}
        self.records.append(record)
        append_line(self._directory / METRICS, json.dumps(record))
        replace_file(self._directory / PICTURE, draw(self.records))


class Means:
    """Means of named values over steps, and the seconds these took. Plain data to keep and go on from.

    A name of the group `speed` is an amount, whose mean is that per second.
    """

    def __init__(
        self,
        sums: Mapping[str, float] | None = None,
        count: int = 0,
        seconds: float = 0.0,
        counts: Mapping[str, int] | None = None,
    ):
        self.sums, self.count, self.seconds = dict(sums or {}), count, seconds
        self.counts = dict(counts or dict.fromkeys(self.sums, count))
        """Steps that had a value of the name."""

    def add(self, values: Mapping[str, float], seconds: float) -> None:
        """Add a step."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.count += 1
        self.seconds += seconds

    def values(self) -> dict[str, float]:
        """Return the mean of each value over the steps that had it."""
        return {
            name: total / (self.seconds if name.startswith("speed/") else self.counts[name])
            for name, total in self.sums.items()
        }


def _read(path: Path) -> list[dict[str, float]]:
    """The records of a file; a last line that was cut off by a crash does not count."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_record(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _record(line: bytes, where: str) -> dict[str, float]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "step" not in record or not all(map(_is_number, record.values())):
        raise TrainingError(
            f"{where} is no record of a training: restore the file, or delete it: the run goes on "
            "without its earlier curves"
        )
    return record


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def grouped(records: Sequence[Mapping[str, float]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the points (step, value) of each curve of each group."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record in records:
        for name, value in record.items():
            if "/" in name:
                group, curve = name.split("/", 1)
                groups.setdefault(group, {}).setdefault(curve, []).append((record["step"], value))
    return groups


def colour_of(place: int) -> str:
    """Return the colour of the curve of a place in its group, by name."""
    return _COLOURS[place % len(_COLOURS)]


def draw(records: Sequence[Mapping[str, float]], from_zero: bool = True) -> str:
    """Return an SVG with one panel per group of curves; `from_zero`: its lowest value is no more than 0."""
    panels = [
        panel(name, curves, from_zero, place=(index % 3 * _WIDTH, index // 3 * _HEIGHT))
        for index, (name, curves) in enumerate(sorted(grouped(records).items()))
    ]
    columns = min(3, max(1, len(panels)))
    rows = -(-len(panels) // columns)
    size = f'width="{columns * _WIDTH}" height="{max(1, rows) * _HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
    return f'{head} font-family="sans-serif" font-size="11">{"".join(panels)}</svg>\n'


def panel(
    title: str,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    from_zero: bool,
    legend: bool = True,
    place: tuple[int, int] = (0, 0),
) -> str:
    """Return the SVG of the curves of a group, at a place of another SVG or alone in a page, where words have
    the colour of the text; `legend`: it names them.
    """
    points = [point for curve in curves.values() for point in curve]
    last, high = max(x for x, _ in points) or 1, max(y for _, y in points)
    low = min([0.0] * from_zero + [y for _, y in points])
    high = high if high > low else low + 1
    wide, tall = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN

    def at(x: float, y: float) -> str:
        return f"{_MARGIN + wide * x / last:.1f},{_MARGIN + tall * (1 - (y - low) / (high - low)):.1f}"

    parts = [
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{wide}" height="{tall}" fill="none" stroke="#ccc"/>',
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{escape(title)}</text>',
        f'<text x="4" y="{_MARGIN + 8}">{high:.3g}</text><text x="4" y="{_MARGIN + tall}">{low:.3g}</text>',
        f'<text x="{_MARGIN + wide}" y="{_HEIGHT - 24}" text-anchor="end">{last:g} steps</text>',
    ]
    for number, (name, curve) in enumerate(sorted(curves.items())):
        colour = colour_of(number)
        path = " ".join(at(x, y) for x, y in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(curve) == 1:  # which is no line
            across, down = path.split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="2.5" fill="{colour}"/>')
        if legend:
            parts.append(f'<text x="{_MARGIN + 58 * number}" y="34" fill="{colour}">{escape(name)}</text>')
    shape = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" fill="currentColor"'
    return f'<svg x="{place[0]}" y="{place[1]}" {shape} font-size="11">{"".join(parts)}</svg>'
