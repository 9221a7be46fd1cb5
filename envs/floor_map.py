"""What an environment shows of its floor from above (ability `map`), and where on it a body is.

This module refuses to know simulators, tasks and pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Room:
    """A room and what is in it."""

    name: str
    objects: tuple[str, ...]
    """What each thing is, in words; one entry a thing."""


@dataclass(frozen=True)
class FloorMap:
    """A picture from above, in the measures of the body that began there.

    Points of the floor are metres to the right of and ahead of where the body began, as it looked then.
    """

    picture: np.ndarray
    """uint8 (H, W, 3)"""
    frame: np.ndarray
    """float64 (2, 3): `frame @ (right, ahead, 1)` is the column and the row of a point, 0 at the left and
    upper edges."""
    goals: tuple[tuple[float, float], ...] = ()
    """Where the body is to go: points of the floor, the middle of each thing that counts."""
    rooms: tuple[Room, ...] = ()
    """Empty where it is not known."""

    def pixels(self, points: Sequence[Sequence[float]]) -> np.ndarray:
        """Return the columns and rows (N, 2) of points of the floor (N, 2)."""
        points = np.asarray(points, float).reshape(-1, 2)
        return points @ self.frame[:, :2].T + self.frame[:, 2]
