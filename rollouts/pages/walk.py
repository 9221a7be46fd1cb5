"""The film of a body whose steps are moments: what it sees, one picture a step, at its own rate, and beside
it the map on which its way grows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from envs.floor_map import FloorMap
from policies.embodiments.base import Embodiment
from policies.embodiments.drawing import font
from rollouts.pages import pictures
from rollouts.pages.maps import Chart, plain_map
from rollouts.pages.video import Patch

_VIEW = 512
_SMALL = 120
"""Height of the pictures of further cameras."""
_LEFT = pictures.MARGIN + pictures.PROMPT_WIDTH + pictures.GAP
_LINE = pictures.MARGIN + _VIEW + 8
_RIGHT = _LEFT, pictures.MARGIN, _LEFT + _VIEW, pictures.HEIGHT
"""Where the view is, and the line below."""
OPENING, ENDING = 16, 30
"""Pictures of the film's beginning and end."""


def walk(
    body: Embodiment,
    info: Mapping[str, Any],
    views: Sequence[Mapping[str, np.ndarray]],
    states: Sequence[np.ndarray],
    actions: Sequence[Any],
    heading: str,
    status: str,
    floor_map: FloorMap | None,
    fps: int,
) -> Iterator[tuple[Image.Image | Patch, int]]:
    """Yield pictures of a film of `fps` pictures a second, or parts over the one before, and for how many
    each stands; 0 comes together with the next.

    The whole ones are one picture, painted over: take what you need of it before the next. It is the last,
    too, and shows the whole way and how it ended.

    Arguments:
        body: who walks.
        info: what `reset` told.
        views: what its cameras saw, uint8 (H, W, 3) by camera, T + 1 times.
        states: T + 1, or T where the last is not known.
        actions: T, checked.
        heading: a line above.
        status: success, failure or truncated.
        floor_map: None draws the way on paper.
        fps: of the film.
    """
    scene = pictures.Scene(body, states[0], info["prompt"], info["prompt_assets"], views[0], heading=heading)
    canvas = Image.new("RGB", (pictures.WIDTH, pictures.HEIGHT), pictures.PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text((pictures.MARGIN, pictures.MARGIN), heading, pictures.FAINT, font(15))
    panel = Image.new("RGB", (pictures.PROMPT_WIDTH, 200), pictures.PAPER)
    used = pictures.flow(panel, scene, 0)
    top = pictures.MARGIN + 30
    canvas.paste(panel.crop((0, 0, panel.width, used)), (pictures.MARGIN, top))
    top += used + 8
    first, *others = views[0]
    track, chart = body.track(states, actions[: len(states) - 1]), None
    corner, room = (pictures.MARGIN, top), pictures.HEIGHT - pictures.MARGIN - top
    if track is not None:
        floor_map = floor_map or plain_map(track)
        chart = Chart(floor_map, track, (pictures.PROMPT_WIDTH, room))
        free = pictures.PROMPT_WIDTH - chart.size[0] - pictures.GAP
        if free >= _SMALL:  # a narrow map leaves room beside it
            corner = pictures.MARGIN + chart.size[0] + pictures.GAP, top
        elif others:
            top += _SMALL + 12
            chart = Chart(floor_map, track, (pictures.PROMPT_WIDTH, room - _SMALL - 12))

    def paint(step: int, action: Any = None) -> None:
        view, said = _fitted(views[step][first], _VIEW, _VIEW), ""
        if action is not None:
            said = body.describe(action, states[step])
            over = ImageDraw.Draw(view, "RGBA")
            body.draw(over, first, (view.height, view.width), action, states[step])
        canvas.paste(view, (_LEFT, pictures.MARGIN))
        left, small_top = corner
        for camera in others:
            small = _fitted(views[step][camera], pictures.PROMPT_WIDTH, _SMALL)
            canvas.paste(small, (left, small_top))
            left += small.width + 8
        known = min(step, len(states) - 1)
        if chart is not None:
            canvas.paste(chart.at(known), (pictures.MARGIN, top))
        pen.rectangle((_LEFT, _LINE, pictures.WIDTH, pictures.HEIGHT), pictures.PAPER)
        pen.text((_LEFT, _LINE + 6), said, pictures.INK, font(20))
        end = _LEFT + _VIEW
        pen.text((end, _LINE), f"{step} of {len(actions)}", pictures.FAINT, font(15), anchor="ra")
        pen.text((end, _LINE + 19), body.readout(states[known]), pictures.FAINT, font(15), anchor="ra")

    paint(0)
    yield canvas, OPENING
    for step, action in enumerate(actions):
        paint(step, action)
        yield Patch(canvas.crop(_RIGHT), _RIGHT[:2]), 0
        box = pictures.MARGIN, corner[1] // 2 * 2, _LEFT, pictures.HEIGHT
        yield Patch(canvas.crop(box), box[:2]), max(1, fps // body.fps)
    paint(len(actions))
    pictures.badge(pen, (_LEFT, _LINE), status)
    yield canvas, ENDING


def _fitted(view: np.ndarray, width: int, height: int) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(view))
    return picture.resize(pictures.fitted(picture.size, (width, height)), Image.BILINEAR)
