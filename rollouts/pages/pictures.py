"""One picture of an episode for a person: the prompt with its images, what the agent's cameras see with the
action drawn over it and, where the environment lets itself be watched, the motion from aslant.

How an action is drawn and said, the embodiment knows; nothing here knows where episodes come from. Everything
drawn here is for people; datasets keep the plain frames.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from policies.embodiments.base import Embodiment
from policies.embodiments.drawing import font, label

PROMPT_WIDTH, GAP, MARGIN = 368, 16, 16
SIDE_WIDTH, SIDE_HEIGHT, MOTION_HEIGHT = 512, 256, 288
WIDTH = MARGIN + PROMPT_WIDTH + GAP + SIDE_WIDTH + MARGIN
HEIGHT = MARGIN + MOTION_HEIGHT + GAP + SIDE_HEIGHT + MARGIN
MOTION_PLACE = MARGIN + PROMPT_WIDTH + GAP, MARGIN
"""Where the motion is shown, (across, down)."""

PAPER, INK, FAINT = (250, 250, 247), (34, 38, 46), (128, 134, 145)
COLOURS = {
    "success": (32, 140, 78),
    "failure": (200, 52, 52),
    "truncated": (190, 120, 20),
    "error": (110, 60, 160),
}
_WORDS = re.compile(r"\{\w+\}|[^\s{}]+|\s+")


@dataclass
class Scene:
    """What one picture shows of an episode."""

    body: Embodiment
    state: np.ndarray
    """The body's state before the action."""
    prompt: str
    prompt_assets: Mapping[str, Any]
    views: Mapping[str, np.ndarray]
    """Camera to uint8 (H, W, 3)."""
    motion: np.ndarray | None = None
    """The scene as a bystander sees it, uint8 (H, W, 3)."""
    heading: str = ""
    done: Sequence[str] = ()
    """The actions so far, one line each."""
    action: Any = None
    """The action to draw."""
    status: str = ""
    """success, failure, truncated or error, once it is known."""
    made: dict[Any, Any] = field(default_factory=dict)
    """Pictures made ready before: the scenes of an episode share it, and the episode's arrays outlive it."""


def draw(scene: Scene) -> Image.Image:
    """Return the picture, (WIDTH, HEIGHT), both even as H.264 wants them.

    The last camera is shown largest; of the others the first has its place, too. A body of one camera that is
    not watched from outside has the whole column for it.
    """
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    canvas.paste(_panel(scene), (MARGIN, MARGIN))
    left, cameras = MARGIN + PROMPT_WIDTH + GAP, list(scene.views)
    main, side = cameras[-1], cameras[0] if len(cameras) > 1 else None
    if scene.motion is None:
        tall = SIDE_HEIGHT if side else HEIGHT - 2 * MARGIN
        canvas.paste(annotated(scene, main, (SIDE_WIDTH, tall)), (left, MARGIN))
        if side:
            canvas.paste(annotated(scene, side), (left, MARGIN + SIDE_HEIGHT + GAP))
        return canvas
    canvas.paste(motion_picture(scene.motion), MOTION_PLACE)
    canvas.paste(annotated(scene, main), (left, MARGIN + MOTION_HEIGHT + GAP))
    if side:
        shown = annotated(scene, side)
        size = PROMPT_WIDTH, PROMPT_WIDTH * shown.height // shown.width
        shown = shown.resize(size, Image.LANCZOS)
        canvas.paste(shown, (MARGIN, HEIGHT - MARGIN - shown.height))
    return canvas


def motion_picture(motion: np.ndarray) -> Image.Image:
    """Return a picture of the motion as it fills its place, (SIDE_WIDTH, MOTION_HEIGHT) at MOTION_PLACE."""
    picture = Image.fromarray(motion)
    place = SIDE_WIDTH, MOTION_HEIGHT
    if picture.size == place:
        return picture
    canvas = Image.new("RGB", place, PAPER)
    canvas.paste(picture.resize(fitted(picture.size, place), Image.LANCZOS))
    return canvas


def annotated(scene: Scene, camera: str, place: tuple[int, int] = (SIDE_WIDTH, SIDE_HEIGHT)) -> Image.Image:
    """Return one camera's picture, as large as its place (width, height) allows, with the action over it."""
    view = scene.views[camera]
    key = id(view), place
    if key not in scene.made:
        picture = Image.fromarray(np.ascontiguousarray(view))
        scene.made[key] = picture.resize(fitted(picture.size, place), Image.LANCZOS)
    picture = scene.made[key].copy()
    pen = ImageDraw.Draw(picture, "RGBA")
    if scene.action is not None:
        scene.body.draw(pen, camera, (picture.height, picture.width), scene.action, scene.state)
    label(pen, (8, 6), camera)
    return picture


def fitted(size: tuple[int, int], place: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (width, height) of this shape that a place holds."""
    factor = min(place[0] / size[0], place[1] / size[1])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def thumbnail(asset: Mapping[str, Any], height: int) -> Image.Image:
    """Return a prompt image: an object alone is cut out, a scene is shown whole, both by the last camera."""
    camera = list(asset["rgb"])[-1]
    rgb = np.asarray(asset["rgb"][camera])
    rgb = np.moveaxis(rgb, 0, -1) if rgb.shape[0] == 3 else rgb
    if asset.get("placeholder_type") == "object" and camera in asset.get("segm", {}):
        rows, columns = np.nonzero(np.asarray(asset["segm"][camera]) != 255)
        if len(rows):
            centre = (rows.min() + rows.max() + 1) // 2, (columns.min() + columns.max() + 1) // 2
            half = max(np.ptp(rows), np.ptp(columns), 16) // 2 + 4
            padded = np.pad(rgb, ((half, half), (half, half), (0, 0)), constant_values=255)
            rgb = padded[centre[0] : centre[0] + 2 * half, centre[1] : centre[1] + 2 * half]
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    return picture.resize((max(1, round(picture.width * height / picture.height)), height), Image.LANCZOS)


def _panel(scene: Scene) -> Image.Image:
    """Return the left column: heading, prompt with its images in the line, outcome, actions."""
    height = HEIGHT - 2 * MARGIN
    if scene.motion is not None and len(scene.views) > 1:  # the first camera stands below
        seen = next(iter(scene.views.values())).shape
        height -= GAP + PROMPT_WIDTH * seen[0] // seen[1]
    panel = Image.new("RGB", (PROMPT_WIDTH, height), PAPER)
    pen = ImageDraw.Draw(panel)
    pen.text((0, 0), scene.heading, FAINT, font(15))
    bottom = flow(panel, scene, top=30) + 10
    for number, line in enumerate(scene.done, start=1):
        if number > len(scene.done) - (height - 40 - bottom) // 20:  # the last ones, where not all find room
            pen.text((0, bottom), f"{number}  {line}", INK, font(15))
            bottom += 20
    if scene.status:
        badge(pen, (0, height - 36), scene.status)
    return panel


def flow(panel: Image.Image, scene: Scene, top: int) -> int:
    """Set words and images in lines, each line's items centred on one height; returns where the last line
    ends.
    """
    pen, lettering, space = ImageDraw.Draw(panel), font(20), 6
    lines: list[list[tuple[int, Any, int, int]]] = [[]]  # of (x, word or image, width, height)
    x = 0
    for word in _WORDS.findall(scene.prompt):
        if word.isspace():
            continue
        item: Any = word
        if word[0] == "{" and word[1:-1] in scene.prompt_assets:
            asset = scene.prompt_assets[word[1:-1]]
            if word not in scene.made:
                item = thumbnail(asset, 64 if asset.get("placeholder_type") == "object" else 88)
                item.thumbnail((PROMPT_WIDTH, 88))
                scene.made[word] = item
            item = scene.made[word]
        width, height = (
            (math.ceil(pen.textlength(word, lettering)), 26) if isinstance(item, str) else item.size
        )
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
                pen.text((x, y), item, INK, lettering)
            else:
                panel.paste(item, (x, y))
                pen.rectangle((x, y, x + width - 1, y + height - 1), outline=(214, 214, 208))
        top += tall + 6
    return top


def badge(pen: ImageDraw.ImageDraw, place: tuple[int, int], status: str) -> None:
    """Write how an episode ended on a rounded ground whose upper left corner is `place`."""
    lettering = font(20)
    width = pen.textlength(status, lettering)
    x, y = place
    pen.rounded_rectangle((x, y, x + width + 28, y + 36), 18, COLOURS.get(status, FAINT))
    pen.text((x + 14, y + 5), status, (255, 255, 255), lettering)
