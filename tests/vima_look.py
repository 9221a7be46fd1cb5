"""Put our pictures beside recorded ones: `python -m tests.vima_look DIR OUT.html [--task T ...]`.

DIR holds recorded episodes (`L*.jsonl`) and pictures (`png/`, `png_L3/`). Every episode is set up from its
recorded objects; the segmentation of observations and prompt pictures is compared with the recorded pixel
counts and boxes, by task and by type of object, and the recorded pictures are shown beside ours. The page
contains recorded pictures and is not to be committed. Tasks that are not built are named and skipped.
"""

import argparse
import base64
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from envs.vima.environment import VimaEnv
from envs.vima.levels import level_name
from envs.vima.registration import TASKS
from envs.vima.table.camera import VIEWS
from tests.vima_seeds import read_episodes

MAX_AREA, MAX_BOX = 0.15, 3
TABLE_IDS = ("0", "1", "255")
APART = ("bowl", "pan", "pallet")
"""Types whose shape is known to differ in detail; counted apart."""
FOLDERS = {"novel_object": "png_L3", "placement": "png", "novel_task": "png"}
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 24px auto }
table { border-collapse: collapse; margin: 20px 0 }
td, th { padding: 3px 10px; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } .pair { display: flex; gap: 8px; margin: 4px 0 }
.pair img { width: 49%; image-rendering: pixelated } p { margin: 14px 0 2px }"""


@dataclass
class Count:
    """How many objects of one kind agree, and how far the worst is off."""

    seen: int = 0
    area: int = 0
    box: int = 0
    ratios: list[float] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)

    def add(self, ratio: float, box: int) -> None:
        self.seen += 1
        self.area += abs(ratio - 1) <= MAX_AREA
        self.box += box <= MAX_BOX
        self.ratios.append(ratio)
        self.boxes.append(box)

    def row(self, name: str) -> list[str]:
        low, middle, high = np.percentile(self.ratios, (0, 50, 100))
        areas, boxes = f"{self.area}/{self.seen}", f"{self.box}/{self.seen}"
        return [name, areas, f"{low:.2f} {middle:.2f} {high:.2f}", boxes, str(max(self.boxes))]


HEAD = [
    "",
    f"area within {MAX_AREA:.0%}",
    "ours / theirs: least, median, most",
    f"box within {MAX_BOX} px",
    "most px",
]
GROUPS = {"table": "on the table", "prompt": "in prompt pictures", "task": "by task"}
Counts = dict[tuple[str, str], Count]


def compare(
    segm: Mapping[str, np.ndarray], recorded: Mapping[str, Any]
) -> Iterator[tuple[str, str, float, int]]:
    """Yield view, recorded id, ratio of areas and largest difference of box edges in pixels of every object.

    An object that one side lacks has ratio 0, or infinity, and a box as far off as the picture is wide.
    """
    for view, objects in recorded.items():
        ours = segm[view]
        for number in {*objects, *map(str, np.unique(ours))} - set(TABLE_IDS):
            rows, columns = np.nonzero(ours == int(number))
            theirs = objects.get(number)
            if theirs is None or not len(rows):
                yield view, number, 0.0 if theirs else float("inf"), ours.shape[1]
                continue
            box = rows.min(), columns.min(), rows.max(), columns.max()
            off = int(np.abs(np.subtract(box, theirs["bbox_rc"])).max())
            yield view, number, len(rows) / theirs["n"], off


def look(record: dict[str, Any], env: VimaEnv, counts: Counts, far: list[str]) -> tuple[Any, Any]:
    """Set up one recorded episode, count what agrees, note what does not; returns observation and info."""
    observation, info = env.reset(seed=record["seed"], options={"objects": record["objects"]})
    names = {str(item["id"]): item["name"] for item in record["objects"]}
    shown = [("table", observation["segm"], record["obs_px"], names)]
    for name, asset in record["prompt_assets"].items():
        if name not in info["prompt_assets"]:
            far.append(f"{_title(record)}: the prompt has no {{{name}}} here")
            continue
        items = asset["obj_info"] if isinstance(asset["obj_info"], list) else [asset["obj_info"]]
        ids = {str(item["obj_id"]): item["obj_name"] for item in items}
        shown.append((f"{{{name}}}", info["prompt_assets"][name]["segm"], asset["px"], ids))
    for place, segm, recorded, names in shown:
        single = place != "table" and len(names) == 1 and "0" in names
        for view, number, ratio, box in compare(
            {v: np.where(segm[v] == 0, 99, segm[v]) if single else segm[v] for v in VIEWS},
            {v: {"99" if k == "0" and single else k: e for k, e in px.items()} for v, px in recorded.items()},
        ):
            kind = names.get("0" if single and number == "99" else number, "unknown")
            where = "table" if place == "table" else "prompt"
            for key in ((where, kind), ("task", record["task"] + (" (apart)" if kind in APART else ""))):
                counts[key].add(ratio, box)
            if kind not in APART and (abs(ratio - 1) > MAX_AREA or box > MAX_BOX):
                far.append(f"{_title(record)} {place} {view}: {kind}, area × {ratio:.2f}, box {box} px off")
    return observation, info


def _title(record: Mapping[str, Any]) -> str:
    return f"{record['task']} {level_name(record['level'])} seed {record['seed']}"


def pictures(record: Mapping[str, Any], observation: Any, info: Any, directory: Path) -> Iterator[str]:
    """Yield HTML of each recorded picture of an episode (left) beside ours (right)."""
    folder = directory / FOLDERS.get(level_name(record["level"]), "none")
    stem = f"{record['task']}_s{record['seed']}"
    parts = {"obs": observation["rgb"]}
    parts |= {f"prompt_{name}": asset["rgb"] for name, asset in info["prompt_assets"].items()}
    for part, rgb in parts.items():
        for view in VIEWS:
            path = folder / f"{stem}_{part}_{view}.png"
            if path.exists():
                ours = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb[view], 0, -1)))
                both = "".join(f'<img src="{_data(image)}">' for image in (Image.open(path), ours))
                yield f'<p>{escape(_title(record))}: {part} {view}</p><div class="pair">{both}</div>'


def _data(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def rows(counts: Counts, group: str) -> list[list[str]]:
    return [count.row(name) for (kind, name), count in sorted(counts.items()) if kind == group]


def run(directory: Path, output: Path, tasks: Iterable[str] = ()) -> Counts:
    """Compare, write the page, print the tables; returns the counts."""
    counts: Counts = defaultdict(Count)
    skipped: dict[str, int] = defaultdict(int)
    shown: dict[str, list[str]] = defaultdict(list)
    envs: dict[tuple[str, str], VimaEnv] = {}
    far: list[str] = []
    for record in read_episodes(sorted(directory.glob("L*.jsonl"))):
        task = record["task"]
        if tasks and task not in tasks:
            continue
        if task not in TASKS:
            skipped[task] += 1
            continue
        key = task, record["level"]
        envs[key] = envs.get(key) or VimaEnv(*key)
        observation, info = look(record, envs[key], counts, far)
        shown[task] += pictures(record, observation, info, directory)
    missing = [f"{task}: not built, {number} episodes skipped" for task, number in skipped.items()]
    tables = [rows(counts, group) for group in GROUPS]
    for title, table in zip(GROUPS.values(), tables, strict=True):
        for name, *cells in ([title, *HEAD[1:]], *table):
            print(f"{name:34}" + "".join(f"{cell:>{36 if i == 1 else 18}}" for i, cell in enumerate(cells)))
    print(*missing, *far, sep="\n")
    body = [_html_table(title, table) for title, table in zip(GROUPS.values(), tables, strict=True)]
    body += [f"<p>{escape(text)}</p>" for text in missing]
    body += [f"<details><summary>{len(far)} farther off</summary>{'<br>'.join(map(escape, far))}</details>"]
    body += [
        f"<h2>{escape(task)}</h2>recorded left, ours right{''.join(parts)}" for task, parts in shown.items()
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>look</title><style>{_STYLE}</style>'
    output.write_text(head + "\n".join(body) + "</html>\n", encoding="utf-8")
    return counts


def _html_table(title: str, table: Iterable[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in (title, *HEAD[1:]))
    lines = ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when there was nothing to compare."""
    parser = argparse.ArgumentParser(prog="python -m tests.vima_look", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("output", type=Path, metavar="OUT.html")
    parser.add_argument("--task", action="append", default=[], help="only this task (repeatable)")
    options = parser.parse_args(arguments)
    counts = run(options.directory, options.output, options.task)
    print(f"page {options.output}")
    return 0 if counts else 1


if __name__ == "__main__":
    sys.exit(main())
