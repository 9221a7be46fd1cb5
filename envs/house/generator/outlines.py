"""From cells to outlines: the ring of corners around each room, and which neighbour lies behind each side."""

from dataclasses import dataclass

import numpy as np

from envs.house.generator.floorplan import OUTSIDE

Corner = tuple[int, int]


@dataclass(frozen=True)
class Side:
    """A straight piece of a room's outline with one neighbour; the room lies to the right of its way."""

    room: int
    neighbour: int
    """OUTSIDE where nothing is built."""
    start: Corner
    end: Corner

    @property
    def length(self) -> int:
        """In cells."""
        return abs(self.end[0] - self.start[0]) + abs(self.end[1] - self.start[1])


def sides(cells: np.ndarray, room: int) -> list[Side]:
    """Return a room's sides in order, clockwise from above (x right, z up), from its leftmost corner."""
    steps: dict[Corner, tuple[Corner, int]] = {}
    for i, j in np.argwhere(cells == room).tolist():
        for (di, dj), start, end in (
            ((-1, 0), (i, j), (i, j + 1)),
            ((0, 1), (i, j + 1), (i + 1, j + 1)),
            ((1, 0), (i + 1, j + 1), (i + 1, j)),
            ((0, -1), (i + 1, j), (i, j)),
        ):
            other = _at(cells, i + di, j + dj)
            if other != room:
                steps[start] = (end, other)
    first = min(steps)
    found: list[Side] = []
    at = first
    while True:
        end, neighbour = steps[at]
        last = found[-1] if found else None
        if last and last.neighbour == neighbour and _straight(last.start, at, end):
            found[-1] = Side(room, neighbour, last.start, end)
        else:
            found.append(Side(room, neighbour, at, end))
        at = end
        if at == first:
            return found


def _at(cells: np.ndarray, i: int, j: int) -> int:
    inside = 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1]
    return int(cells[i, j]) if inside else OUTSIDE


def _straight(a: Corner, b: Corner, c: Corner) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])
