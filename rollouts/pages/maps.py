"""Maps for people: the floor from above with the way of a body drawn over it.

Marks differ in shape, not only in colour: a ring is where the body began, a disc in a ring a goal, a cross a
place where something was in the way, a wedge the body and where it looks.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from envs.floor_map import FloorMap
from policies.embodiments.base import Track
from policies.embodiments.drawing import ACCENT

LEGEND = "ring: start; disc in a ring: goal; cross: held up; line: the way; wedge: the body"
_WHITE, _DARK, _GOAL, _CROSS = (255, 255, 255), (34, 38, 46), (20, 120, 64), (190, 20, 60)
_FINE = 2
"""Marks are drawn so many times as large, and reduced."""
_PLAIN, _GRID = (244, 244, 240), (224, 224, 218)
_PLAIN_PIXELS, _PLAIN_MARGIN_M = 400, 1.0


class Chart:
    """A map as large as a place allows, on which a way grows step by step."""

    def __init__(self, floor_map: FloorMap, track: Track, place: tuple[int, int]) -> None:
        picture = Image.fromarray(np.ascontiguousarray(floor_map.picture))
        factor = min(place[0] / picture.width, place[1] / picture.height)
        self.size = tuple(max(1, round(side * factor)) for side in picture.size)
        self._canvas = picture.resize([_FINE * side for side in self.size], Image.LANCZOS)
        self._pen = ImageDraw.Draw(self._canvas)
        self._track = track
        scale = _FINE * np.array(self.size) / picture.size
        self._points = floor_map.pixels(track.points) * scale
        ahead = np.column_stack([np.sin(track.headings), np.cos(track.headings)])
        self._ahead = ahead @ floor_map.frame[:, :2].T * scale
        self._ahead /= np.maximum(np.linalg.norm(self._ahead, axis=1, keepdims=True), 1e-9)
        for goal in floor_map.pixels(floor_map.goals) * scale:
            _dot(self._pen, goal, 8, _WHITE)
            _dot(self._pen, goal, 7, _GOAL)
            _dot(self._pen, goal, 5, _WHITE)
            _dot(self._pen, goal, 3, _GOAL)
        self._done = 0

    def at(self, step: int) -> Image.Image:
        """Return the map when `step` actions were done. Steps are asked for in order."""
        for number in range(self._done, step):
            self._go(number)
        self._done = max(self._done, step)
        canvas = self._canvas.copy()
        pen = ImageDraw.Draw(canvas)
        _dot(pen, self._points[0], 6, _WHITE)
        _dot(pen, self._points[0], 5, _DARK)
        _dot(pen, self._points[0], 3, _WHITE)
        _wedge(pen, self._points[step], self._ahead[step])
        return canvas.reduce(_FINE)

    def _go(self, number: int) -> None:
        ends = self._points[[max(number - 1, 0), number, number + 1]]
        if np.abs(ends[2] - ends[1]).max() > 0:
            self._pen.line([tuple(point) for point in ends[1:]], _WHITE, 5 * _FINE)
            self._pen.line([tuple(point) for point in ends], ACCENT, 3 * _FINE, joint="curve")
        if self._track.held_up[number]:
            _cross(self._pen, ends[1] + 8 * _FINE * self._ahead[number])


def draw_map(floor_map: FloorMap, track: Track, place: tuple[int, int]) -> Image.Image:
    """Return a map with a whole way on it, as large as its place (width, height) allows."""
    return Chart(floor_map, track, place).at(len(track.points) - 1)


def plain_map(track: Track) -> FloorMap:
    """Return a sheet of paper with a line each metre, around a way of which there is no map."""
    low, high = track.points.min(0) - _PLAIN_MARGIN_M, track.points.max(0) + _PLAIN_MARGIN_M
    low, high = np.floor(low), np.ceil(high)
    scale = _PLAIN_PIXELS / (high - low).max()
    width, height = np.rint((high - low) * scale).astype(int).tolist()
    paper = Image.new("RGB", (width, height), _PLAIN)
    pen = ImageDraw.Draw(paper)
    for metre in range(round(high[0] - low[0]) + 1):
        pen.line((metre * scale, 0, metre * scale, height), _GRID)
    for metre in range(round(high[1] - low[1]) + 1):
        pen.line((0, metre * scale, width, metre * scale), _GRID)
    frame = np.array([[scale, 0, -scale * low[0]], [0, -scale, scale * high[1]]])
    return FloorMap(np.asarray(paper), frame)


def told(track: Track, floor_map: FloorMap | None) -> str:
    """Return what a map shows in words, for those who do not see it."""
    walked = float(np.linalg.norm(np.diff(track.points, axis=0), axis=1).sum())
    held_up = int(track.held_up.sum())
    times = {0: "never held up", 1: "held up once"}.get(held_up, f"held up {held_up} times")
    said = f"{walked:.2f} m walked, {times}"
    if floor_map is None or not floor_map.goals:
        return said
    nearest = np.linalg.norm(np.array(floor_map.goals) - track.points[-1], axis=1).min()
    return f"{said}, ended {nearest:.2f} m from the nearest goal as the crow flies"


def _dot(pen: ImageDraw.ImageDraw, point: Sequence[float], radius: float, colour: tuple) -> None:
    x, y, r = *point, radius * _FINE
    pen.ellipse((x - r, y - r, x + r, y + r), colour)


def _cross(pen: ImageDraw.ImageDraw, point: Sequence[float]) -> None:
    x, y, r = *point, 4 * _FINE
    for colour, width in ((_WHITE, 4 * _FINE), (_CROSS, 2 * _FINE)):
        for sign in (1, -1):
            pen.line((x - r, y - sign * r, x + r, y + sign * r), colour, width)


def _wedge(pen: ImageDraw.ImageDraw, point: np.ndarray, ahead: np.ndarray) -> None:
    for colour, size in ((_WHITE, 11), (_DARK, 8)):
        corners = []
        for angle in (0.0, 2.5, -2.5):
            c, s = math.cos(angle), math.sin(angle)
            turned = np.array([c * ahead[0] - s * ahead[1], s * ahead[0] + c * ahead[1]])
            corners.append(tuple(point + size * _FINE * turned))
        pen.polygon(corners, colour)
