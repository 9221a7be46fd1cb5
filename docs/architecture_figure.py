"""Draws the packages, what stands in them, and who imports whom, all read from the code.

Usage: python docs/architecture_figure.py

A part is a file or a folder right inside a package. The words are the beginnings of docstrings; an arrow says
how many parts of the one package import parts of the other, imports inside functions included. The picture
carries the hash of what it shows, which tests/test_architecture_page.py compares with the code.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parents[1]
PATH = ROOT / "docs" / "images" / "architecture.png"
KEY = "shown"
"""Name of the PNG's text chunk with the hash."""
COLOURS = {
    "uio2_agent": "#4e79a7",
    "envs": "#59a14f",
    "policies": "#d9772b",
    "pretrain": "#8a6fb0",
    "rollouts": "#c24a4d",
}
INK, FAINT, PAPER = "#22262e", "#6b7280", "#f6f7f9"
WIDTH, MARGIN, GAP, LANE = 1640, 24, 84, 60
SIZE, LINE, HEAD, PAD, DOT = 20, 25, 50, 14, 13
ARROWS = (  # from, to, where between the ends of the shared side (0…1)
    ("rollouts", "pretrain", 0.5),
    ("rollouts", "policies", 0.5),
    ("rollouts", "uio2_agent", 0.0),
    ("rollouts", "envs", 1.0),
    ("pretrain", "policies", 0.5),
    ("pretrain", "uio2_agent", 0.5),
    ("policies", "uio2_agent", 0.35),
)

Box = tuple[int, int, int, int]
Drawn = dict[str, dict[str, dict[str, object]]]


def words(path: Path) -> str:
    """Return how a module's docstring begins: its first sentence, up to a semicolon."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    text = " ".join(text.split("\n\n")[0].split()).replace("`", "").replace("→", "->")  # has no glyph
    text = re.sub(r"\s*\([^()]*\b(?:spec|section|arXiv)\b[^()]*\)", "", text)
    return re.split(r"; |(?<=[^.])\. |\.$|:$", text)[0]


def imported(path: Path) -> Iterator[str]:
    """Yield the packages of ours, other than its own, that a file imports from, each with the part: "a/b"."""
    own = path.relative_to(ROOT).parts[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package in COLOURS and package != own:
                yield package + "/" + part_named(package, rest.partition(".")[0])


def part_named(package: str, name: str) -> str:
    """Return the part that an imported name stands for: the package itself where it is no file or folder."""
    place = ROOT / package / name
    return name if name and (place.is_dir() or place.with_suffix(".py").is_file()) else ""


def read() -> Drawn:
    """Return all that is drawn: package → part → its words, and what it imports ("" is the package's own)."""
    found: Drawn = {}
    for package in COLOURS:
        folder = ROOT / package
        folders = sorted(path.parent for path in folder.glob("*/__init__.py"))
        files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("__"))
        found[package] = {"": _part(folder / "__init__.py", [folder / "__init__.py"])}
        for path in folders:
            found[package][path.name + "/"] = _part(path / "__init__.py", sorted(path.rglob("*.py")))
        for path in files:
            found[package][path.name] = _part(path, [path])
    return found


def _part(described: Path, paths: list[Path]) -> dict[str, object]:
    targets = sorted({target for path in paths for target in imported(path)})
    return {"words": words(described), "imports": targets}


def arrows(drawn: Drawn) -> dict[tuple[str, str], tuple[int, int]]:
    """Return for each arrow how many parts import, and how many parts are imported."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for package, parts in drawn.items():
        for other in COLOURS:
            used = [[t for t in part["imports"] if t.split("/")[0] == other] for part in parts.values()]
            if any(used):
                found[package, other] = (sum(map(bool, used)), len({t for each in used for t in each}))
    return found


def fingerprint(drawn: Drawn) -> str:
    """Return the hash of what is drawn: words, packages that each part imports, counts on the arrows."""
    shown = [
        [package, name, part["words"], sorted({t.split("/")[0] for t in part["imports"]})]
        for package, parts in drawn.items()
        for name, part in parts.items()
    ]
    counts = sorted([*names, *numbers] for names, numbers in arrows(drawn).items())
    return hashlib.sha256(json.dumps([shown, counts]).encode()).hexdigest()


class Canvas:
    """A picture with a pen."""

    def __init__(self, height: int):
        self.image = Image.new("RGB", (WIDTH, height), "white")
        self.pen = ImageDraw.Draw(self.image)

    def write(
        self, x: float, y: float, text: str, size: int = SIZE, colour: str = INK, anchor: str = "la"
    ) -> None:
        """Write a line of text at (x, y)."""
        self.pen.text((x, y), text, colour, ImageFont.load_default(size), anchor)

    def arrow(self, start: tuple[int, int], end: tuple[int, int], colour: str) -> None:
        """Draw a straight arrow along a row or a column."""
        (x, y), tip = end, 16
        self.pen.line((*start, *end), colour, 4)
        if start[0] == end[0]:
            self.pen.polygon(((x, y), (x - 9, y - tip), (x + 9, y - tip)), fill=colour)
        else:
            self.pen.polygon(((x, y), (x - tip, y - 9), (x - tip, y + 9)), fill=colour)


def folded(text: str, width: float, size: int = SIZE) -> list[str]:
    """Break a text into lines that are no wider than this."""
    lines, font = [""], ImageFont.load_default(size)
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def layout(parts: dict[str, dict[str, object]], width: int) -> tuple[int, int, dict[str, list[str]]]:
    """Return the width of a box's names, its height, and its lines."""
    font = ImageFont.load_default(SIZE)
    names = round(max(font.getlength(name) for name in parts)) + 18
    space = width - 2 * PAD - names - _dots(parts)
    lines = {name: folded(str(part["words"]), space) for name, part in parts.items() if name}
    heading = folded(str(parts[""]["words"]), width - 2 * PAD)
    lines = {"": heading, **lines}
    return names, HEAD + sum(LINE * len(each) + 3 for each in lines.values()) + 2 * PAD + 6, lines


def _dots(parts: dict[str, dict[str, object]]) -> int:
    """Return the width that the squares of a box take."""
    most = max(len({target.split("/")[0] for target in part["imports"]}) for part in parts.values())
    return most * (DOT + 4) + 10 * bool(most)


def draw(drawn: Drawn) -> Image.Image:
    """Return the picture."""
    left, right = MARGIN, WIDTH - MARGIN
    inner = right - left - 2 * LANE
    wide = (inner - GAP - 26) // 2
    across = {
        "rollouts": (left, right),
        "pretrain": (left + LANE, left + LANE + wide),
        "policies": (right - LANE - wide, right - LANE),
        "uio2_agent": (left, left + 930),
        "envs": (left + 930 + 40, right),
    }
    heights = {name: layout(drawn[name], x1 - x0)[1] for name, (x0, x1) in across.items()}
    top, boxes = 62, {}
    for row in (("rollouts",), ("pretrain", "policies"), ("uio2_agent", "envs")):
        tall = max(heights[name] for name in row)
        for name in row:
            boxes[name] = (across[name][0], top, across[name][1], top + tall)
        top += tall + GAP
    canvas = Canvas(top - GAP + MARGIN)
    _legend(canvas)
    for name, box in boxes.items():
        _box(canvas, name, drawn[name], box)
    _arrows(canvas, arrows(drawn), boxes)
    return canvas.image


def _legend(canvas: Canvas) -> None:
    text = "An arrow points to what is imported. A square shows that the file or folder imports from"
    canvas.write(MARGIN, 16, text, 20, FAINT)
    x = MARGIN + ImageFont.load_default(20).getlength(text) + 16
    for name, colour in COLOURS.items():
        if name != "rollouts":
            canvas.pen.rectangle((x, 21, x + DOT, 21 + DOT), fill=colour)
            canvas.write(x + DOT + 7, 16, name, 20, FAINT)
            x += DOT + 7 + ImageFont.load_default(20).getlength(name) + 18


def _box(canvas: Canvas, package: str, parts: dict[str, dict[str, object]], box: Box) -> None:
    x0, y0, x1, _ = box
    names, _, lines = layout(parts, x1 - x0)
    canvas.pen.rectangle(box, fill=PAPER, outline=COLOURS[package], width=3)
    canvas.write(x0 + PAD, y0 + PAD - 2, package + "/", 30, COLOURS[package])
    y = y0 + HEAD + 4
    for name, part in parts.items():
        x = x0 + PAD
        if name:
            canvas.write(x, y, name, SIZE, COLOURS[package])
            x += names
        for number, line in enumerate(lines[name]):
            canvas.write(x, y + LINE * number, line, SIZE, INK if name else FAINT)
        packages = {str(target).split("/")[0] for target in part["imports"]}
        for place, other in enumerate(reversed([name for name in COLOURS if name in packages])):
            dot = x1 - PAD - (place + 1) * (DOT + 4)
            canvas.pen.rectangle((dot, y + 5, dot + DOT, y + 5 + DOT), fill=COLOURS[other])
        y += LINE * len(lines[name]) + (3 if name else 9)


def _arrows(canvas: Canvas, counts: dict[tuple[str, str], tuple[int, int]], boxes: dict[str, Box]) -> None:
    assert set(counts) == {arrow[:2] for arrow in ARROWS}, "an import that has no arrow here, or the reverse"
    for source, target, share in ARROWS:
        a, b = boxes[source], boxes[target]
        many, few = counts[source, target]
        if a[1] == b[1]:
            x, y = (a[2] + b[0]) // 2, (a[1] + min(a[3], b[3])) // 2
            canvas.arrow((a[2], y), (b[0] - 2, y), COLOURS[source])
            canvas.write(x, y - 52, f"{many} parts", 19, FAINT, "ma")
            canvas.write(x, y - 30, f"of {few}", 19, FAINT, "ma")
            continue
        low, high = max(a[0], b[0]) + LANE // 2, min(a[2], b[2]) - LANE // 2
        x = round(low + share * (high - low))
        canvas.arrow((x, a[3]), (x, b[1] - 2), COLOURS[source])
        label, y = f"{many} parts import {few}", b[1] - GAP // 2
        if share == 1.0:
            canvas.write(x - 14, y, label, 19, FAINT, "rm")
        else:
            canvas.write(x + 14, y, label, 19, FAINT, "lm")


def main() -> None:
    drawn = read()
    note = PngInfo()
    note.add_text(KEY, fingerprint(drawn))
    draw(drawn).quantize(64).save(PATH, optimize=True, pnginfo=note)
    print(PATH.relative_to(ROOT))


if __name__ == "__main__":
    main()
