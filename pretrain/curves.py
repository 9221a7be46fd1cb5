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


def draw(records: Sequence[Mapping[str, float]], from_zero: bool = True) -> str:
    """Return an SVG with one panel per group of curves; `from_zero`: its lowest value is no more than 0."""
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record in records:
        for name, value in record.items():
            if "/" in name:
                group, curve = name.split("/", 1)
                groups.setdefault(group, {}).setdefault(curve, []).append((record["step"], value))
    panels = [
        _panel(name, curves, index, from_zero) for index, (name, curves) in enumerate(sorted(groups.items()))
    ]
    columns = min(3, max(1, len(panels)))
    rows = -(-len(panels) // columns)
    size = f'width="{columns * _WIDTH}" height="{max(1, rows) * _HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
    return f'{head} font-family="sans-serif" font-size="11">{"".join(panels)}</svg>\n'


def _panel(
    title: str, curves: Mapping[str, Sequence[tuple[float, float]]], index: int, from_zero: bool
) -> str:
    points = [point for curve in curves.values() for point in curve]
    last, high = max(x for x, _ in points) or 1, max(y for _, y in points)
    low = min([0.0] * from_zero + [y for _, y in points])
    high = high if high > low else low + 1
    wide, tall = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN

    def place(x: float, y: float) -> str:
        return f"{_MARGIN + wide * x / last:.1f},{_MARGIN + tall * (1 - (y - low) / (high - low)):.1f}"

    parts = [
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{wide}" height="{tall}" fill="none" stroke="#ccc"/>',
        f'<text x="{_MARGIN}" y="18" font-weight="bold">{escape(title)}</text>',
        f'<text x="4" y="{_MARGIN + 8}">{high:.3g}</text><text x="4" y="{_MARGIN + tall}">{low:.3g}</text>',
        f'<text x="{_MARGIN + wide}" y="{_HEIGHT - 24}" text-anchor="end">{last:g} steps</text>',
    ]
    for number, (name, curve) in enumerate(sorted(curves.items())):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{_MARGIN + 58 * number}" y="34" fill="{colour}">{escape(name)}</text>')
    left, top = index % 3 * _WIDTH, index // 3 * _HEIGHT
    return f'<g transform="translate({left},{top})">{"".join(parts)}</g>'
