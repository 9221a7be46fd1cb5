"""One picture of an episode for a person: the prompt with its images, what the agent's two cameras see with
the action as an arrow over it and, where the environment lets itself be watched, the motion from aslant.

Knows VIMA's cameras (orthographic, so a point on the table is a pixel by two multiplications) and nothing
about where episodes come from. Everything drawn here is for people; datasets keep the plain frames.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

VIEWS = ("top", "front")
SCALE = 2  # a camera pixel is drawn as 2 x 2
PROMPT_WIDTH, GAP, MARGIN = 368, 16, 16
SIDE_WIDTH, SIDE_HEIGHT, MOTION_HEIGHT = 512, 256, 288
WIDTH = MARGIN + PROMPT_WIDTH + GAP + SIDE_WIDTH + MARGIN
HEIGHT = MARGIN + MOTION_HEIGHT + GAP + SIDE_HEIGHT + MARGIN

PAPER, INK, FAINT, ACCENT = (250, 250, 247), (34, 38, 46), (128, 134, 145), (255, 92, 40)
COLOURS = {
    "success": (32, 140, 78),
    "failure": (200, 52, 52),
    "truncated": (190, 120, 20),
    "error": (110, 60, 160),
}
_WORDS = re.compile(r"\{\w+\}|[^\s{}]+|\s+")


@dataclass
class Scene:
    """What one picture shows of an episode. Views are uint8 (128, 256, 3); actions are in metres and xyzw."""

    prompt: str
    prompt_assets: Mapping[str, Any]
    views: Mapping[str, np.ndarray]
    motion: np.ndarray | None = None
    """The table from aslant with the tool, uint8 (288, 512, 3)."""
    heading: str = ""
    done: Sequence[str] = ()
    """The actions so far, one line each."""
    action: Mapping[str, np.ndarray] | None = None
    """The action to draw as an arrow."""
    end_effector: int = 0
    """0 suction, 1 spatula, which ignores rotations."""
    status: str = ""
    """success, failure, truncated or error, once it is known."""


def draw(scene: Scene) -> Image.Image:
    """Return the picture, (WIDTH, HEIGHT), both even as H.264 wants them."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    canvas.paste(_panel(scene), (MARGIN, MARGIN))
    left = MARGIN + PROMPT_WIDTH + GAP
    if scene.motion is None:
        canvas.paste(annotated(scene, "top"), (left, MARGIN))
        canvas.paste(annotated(scene, "front"), (left, MARGIN + SIDE_HEIGHT + GAP))
        return canvas
    show_motion(canvas, scene.motion)
    canvas.paste(annotated(scene, "top"), (left, MARGIN + MOTION_HEIGHT + GAP))
    front = annotated(scene, "front").resize((PROMPT_WIDTH, PROMPT_WIDTH // 2), Image.LANCZOS)
    canvas.paste(front, (MARGIN, HEIGHT - MARGIN - front.height))
    return canvas


def show_motion(canvas: Image.Image, motion: np.ndarray) -> None:
    """Put another picture of the motion into a drawn scene that has one."""
    canvas.paste(Image.fromarray(motion), (MARGIN + PROMPT_WIDTH + GAP, MARGIN))


def annotated(scene: Scene, view: str) -> Image.Image:
    """Return one camera's picture at twice its size, with the action drawn over it."""
    picture = Image.fromarray(np.asarray(scene.views[view])).resize((SIDE_WIDTH, SIDE_HEIGHT), Image.LANCZOS)
    pen = ImageDraw.Draw(picture, "RGBA")
    if scene.action is not None:
        _arrow(pen, view, scene.action, turn=0.0 if scene.end_effector else _turn(scene.action))
    _label(pen, (8, 6), view)
    return picture


def pixel(view: str, position: Sequence[float]) -> tuple[float, float]:
    """Return column and row, in drawn pixels, of a point (x, y[, z]) in metres (VIMA's two agent cameras)."""
    x, y, z = float(position[0]), float(position[1]), float(position[2]) if len(position) > 2 else 0.0
    if view == "top":
        column, row = 128 + 250.98 * y, 64 + 250.98 * (x - 0.5)
    else:
        column, row = 128 + 251.4 * y, 80 + 177.78 * (x - 0.5) - 177.78 * z
    return (column + 0.5) * SCALE, (row + 0.5) * SCALE


def describe(action: Mapping[str, np.ndarray], end_effector: int) -> str:
    """Return an action in a line a person reads: centimetres from the table's middle, degrees."""
    (x0, y0), (x1, y1) = (np.asarray(action[f"pose{i}_position"], float)[:2] for i in (0, 1))
    places = [f"({100 * (x - 0.5):+z.0f}, {100 * y:+z.0f})" for x, y in ((x0, y0), (x1, y1))]
    turn = 0.0 if end_effector else _turn(action)
    verb = "push" if end_effector else "pick"
    return f"{verb} {places[0]} to {places[1]} cm" + (f", turn {turn:+.0f}°" if abs(turn) > 1.5 else "")


def thumbnail(asset: Mapping[str, Any], height: int) -> Image.Image:
    """Return a prompt image: an object alone is cut out, a scene is shown whole, both seen from above."""
    rgb = (
        np.moveaxis(np.asarray(asset["rgb"]["top"]), 0, -1)
        if asset["rgb"]["top"].shape[0] == 3
        else asset["rgb"]["top"]
    )
    if asset.get("placeholder_type") == "object":
        rows, columns = np.nonzero(np.asarray(asset["segm"]["top"]) != 255)
        if len(rows):
            centre = (rows.min() + rows.max() + 1) // 2, (columns.min() + columns.max() + 1) // 2
            half = max(np.ptp(rows), np.ptp(columns), 16) // 2 + 4
            padded = np.pad(rgb, ((half, half), (half, half), (0, 0)), constant_values=255)
            rgb = padded[centre[0] : centre[0] + 2 * half, centre[1] : centre[1] + 2 * half]
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    return picture.resize((max(1, round(picture.width * height / picture.height)), height), Image.LANCZOS)


def _turn(action: Mapping[str, np.ndarray]) -> float:
    """Return by how many degrees the object is turned about the vertical, in (-180, 180]."""
    (_, _, z0, w0), (_, _, z1, w1) = (np.asarray(action[f"pose{i}_rotation"], float) for i in (0, 1))
    degrees = math.degrees(2 * (math.atan2(z1, w1) - math.atan2(z0, w0)))
    return 180 - (180 - degrees) % 360


def _panel(scene: Scene) -> Image.Image:
    """Return the left column: heading, prompt with its images in the line, outcome, actions."""
    height = HEIGHT - 2 * MARGIN - (GAP + PROMPT_WIDTH // 2 if scene.motion is not None else 0)
    panel = Image.new("RGB", (PROMPT_WIDTH, height), PAPER)
    pen = ImageDraw.Draw(panel)
    pen.text((0, 0), scene.heading, FAINT, _font(15))
    bottom = _flow(panel, scene, top=30) + 10
    for number, line in enumerate(scene.done, start=1):
        if number > len(scene.done) - (height - 40 - bottom) // 20:  # the last ones, where not all find room
            pen.text((0, bottom), f"{number}  {line}", INK, _font(15))
            bottom += 20
    if scene.status:
        _badge(pen, (0, height - 36), scene.status)
    return panel


def _flow(panel: Image.Image, scene: Scene, top: int) -> int:
    """Set words and images in lines, each line's items centred on one height; returns where the last line
    ends.
    """
    pen, font, space = ImageDraw.Draw(panel), _font(20), 6
    lines: list[list[tuple[int, Any, int, int]]] = [[]]  # of (x, word or image, width, height)
    x = 0
    for word in _WORDS.findall(scene.prompt):
        if word.isspace():
            continue
        item: Any = word
        if word[0] == "{" and word[1:-1] in scene.prompt_assets:
            asset = scene.prompt_assets[word[1:-1]]
            item = thumbnail(asset, 64 if asset.get("placeholder_type") == "object" else 88)
            item.thumbnail((PROMPT_WIDTH, 88))
        width, height = (math.ceil(pen.textlength(word, font)), 26) if isinstance(item, str) else item.size
        if word in ".,:" and x:
            x -= space
        elif x + width > PROMPT_WIDTH:
            lines.append([])
            x = 0
        lines[-1].append((x, item, width, height))
        x += width + space
    for line in lines:
        tall = max((height for *_, height in line), default=0)
        for x, item, width, height in line:
            y = top + (tall - height) // 2
            if isinstance(item, str):
                pen.text((x, y), item, INK, font)
            else:
                panel.paste(item, (x, y))
                pen.rectangle((x, y, x + width - 1, y + height - 1), outline=(214, 214, 208))
        top += tall + 6
    return top


def _arrow(pen: ImageDraw.ImageDraw, view: str, action: Mapping[str, np.ndarray], turn: float) -> None:
    start, end = (pixel(view, np.asarray(action[f"pose{i}_position"])[:2]) for i in (0, 1))
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    for colour, width in (((255, 255, 255, 230), 8), ((*ACCENT, 255), 4)):
        grow = (width - 4) / 2
        if length > 14:
            ux, uy = dx / length, dy / length
            neck = end[0] - 13 * ux, end[1] - 13 * uy
            pen.line((*start, *neck), colour, width)
            tip = end[0] + grow * ux, end[1] + grow * uy
            back = neck[0] - grow * ux, neck[1] - grow * uy
            wide = 8 + 1.6 * grow
            pen.polygon(
                (tip, (back[0] - wide * uy, back[1] + wide * ux), (back[0] + wide * uy, back[1] - wide * ux)),
                colour,
            )
        radius = 7 + grow
        pen.ellipse(
            (start[0] - radius, start[1] - radius, start[0] + radius, start[1] + radius),
            None,
            colour,
            width // 2 + 1,
        )
    if abs(turn) > 1.5:
        _label(pen, (end[0] + 12, end[1] - 26), f"{turn:+.0f}°", ACCENT)


def _badge(pen: ImageDraw.ImageDraw, place: tuple[int, int], status: str) -> None:
    font = _font(20)
    width = pen.textlength(status, font)
    x, y = place
    pen.rounded_rectangle((x, y, x + width + 28, y + 36), 18, COLOURS.get(status, FAINT))
    pen.text((x + 14, y + 5), status, (255, 255, 255), font)


def _label(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: tuple = (40, 44, 52)
) -> None:
    font = _font(15)
    x, y = place
    pen.rounded_rectangle((x, y, x + pen.textlength(text, font) + 12, y + 22), 6, (*colour, 215))
    pen.text((x + 6, y + 2), text, (255, 255, 255), font)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
