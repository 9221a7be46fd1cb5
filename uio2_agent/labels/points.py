"""Points as location tokens: y x of the padded square in text, x y in pixels of the picture outside.

It refuses to know what a point is of; human joints are in `keypoints`.
"""

from collections.abc import Sequence

import numpy as np

from uio2_agent.labels.locations import (
    checked,
    read_labelled_values,
    read_values,
    warn_outside,
    write_values,
)
from uio2_agent.media.geometry import Placement


def points_to_values(points: np.ndarray, placement: Placement) -> np.ndarray:
    """Return points [n, 2], x y in pixels, as y x, fractions of the padded square."""
    points = checked(points, 2, "points")
    return placement.to_square(points[:, ::-1]) / placement.size


def values_to_points(values: np.ndarray, placement: Placement) -> np.ndarray:
    """Return y x in [0, 1], [n, 2], as x y in pixels, clipped to the picture."""
    values = checked(values, 2, "values of points")
    return placement.to_picture(values * placement.size)[:, ::-1]


def write_points(points: np.ndarray, placement: Placement, labels: Sequence[str] | None = None) -> str:
    """Write points [n, 2], x y in pixels, each followed by its label if there are labels.

    What lies outside the square is moved to its edge; a warning tells of points outside the picture.
    """
    warn_outside(checked(points, 2, "points"), placement, "points lie", "point")
    return write_values(points_to_values(points, placement), labels)


def read_points(text: str, placement: Placement, released: bool = False) -> np.ndarray:
    """Read points [n, 2], x y in pixels, from text, with or without labels behind them."""
    return values_to_points(read_values(text, 2, released), placement)


def read_labelled_points(
    text: str, placement: Placement, released: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Read points [n, 2], x y in pixels, and their labels; points without a label are passed over."""
    values, labels = read_labelled_values(text, 2, released)
    return values_to_points(values, placement), labels
