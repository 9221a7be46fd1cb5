"""Boxes and their labels as location tokens, in pixels of the original picture.

A box is written y1 x1 y2 x2 as fractions of the padded square, its label behind it; outside it is x1 y1 x2 y2
in pixels. Unusual: what a model answers is taken as it is, so a box that is read may have its corners
reversed; a box that is written may not.

It refuses to know images: where the picture lies in the square is told by a `Placement`.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import (
    checked,
    ids_to_values,
    read_labelled_values,
    read_values,
    warn_outside,
    write_values,
)
from uio2_agent.media.geometry import Placement
from uio2_agent.text.vocabulary import Vocabulary

SAME_BOX = 0.8
"""Overlap (intersection over union) above which two boxes of an answer are one."""
_SWAPPED = [1, 0, 3, 2]  # x y x y <-> y x y x


def boxes_to_values(boxes: np.ndarray, placement: Placement) -> np.ndarray:
    """Return boxes [n, 4], x1 y1 x2 y2 in pixels, as y1 x1 y2 x2, fractions of the padded square.

    What lies outside the square is below 0 or above 1; writing clips it.

    Raises UIO2Error if a number is not finite, a box has its corners reversed, or the last axis is not 4.
    """
    boxes = checked(boxes, 4, "boxes")
    reversed_boxes = np.flatnonzero((boxes[:, :2] > boxes[:, 2:]).any(axis=1))
    if reversed_boxes.size:
        at = reversed_boxes[0]
        raise UIO2Error(
            f"box {at} is {boxes[at].tolist()}; x1 <= x2 and y1 <= y2 must hold: swap its corners"
        )
    return placement.to_square(boxes[:, _SWAPPED]) / np.tile(placement.size, 2)


def values_to_boxes(values: np.ndarray, placement: Placement) -> np.ndarray:
    """Return y1 x1 y2 x2 in [0, 1], [n, 4], as x1 y1 x2 y2 in pixels, clipped to the picture."""
    values = checked(values, 4, "values of boxes")
    return placement.to_picture(values * np.tile(placement.size, 2))[:, _SWAPPED]


def write_boxes(
    boxes: np.ndarray, placement: Placement, labels: Sequence[str] | None = None, separator: str = " "
) -> str:
    """Write boxes [n, 4], x1 y1 x2 y2 in pixels, each followed by its label if there are labels.

    What reaches outside the square is cut; a warning tells of boxes that reach outside the picture.
    """
    values = boxes_to_values(boxes, placement)
    warn_outside(checked(boxes, 4, "boxes"), placement, "boxes reach", "box")
    return write_values(values, labels, separator)


def read_boxes(text: str, placement: Placement, released: bool = False) -> np.ndarray:
    """Read boxes [n, 4], x1 y1 x2 y2 in pixels, from text, with or without labels behind them."""
    return values_to_boxes(read_values(text, 4, released), placement)


def read_labelled_boxes(
    text: str, placement: Placement, released: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Read boxes [n, 4], x1 y1 x2 y2 in pixels, and their labels; boxes without a label are passed over.

    Boxes that say the same are left in: see `suppress_overlaps`.
    """
    values, labels = read_labelled_values(text, 4, released)
    return values_to_boxes(values, placement), labels


def read_box_ids(
    ids: Iterable[int], vocabulary: Vocabulary, placement: Placement, released: bool = False
) -> np.ndarray:
    """Read boxes [n, 4], x1 y1 x2 y2 in pixels, from ids: runs of exactly four locations."""
    return values_to_boxes(ids_to_values(ids, vocabulary, 4, released), placement)


def nonempty(boxes: np.ndarray) -> np.ndarray:
    """Return bool [n]: which boxes [n, 4] have an area; the others are dropped officially."""
    boxes = checked(boxes, 4, "boxes")
    return (boxes[:, :2] < boxes[:, 2:]).all(axis=1)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return intersection over union [n, m] of boxes [n, 4] and [m, 4]; 0 where both are empty."""
    first, second = checked(first, 4, "boxes")[:, None], checked(second, 4, "boxes")[None]

    def area(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return (high - low).clip(0).prod(axis=-1)

    shared = area(np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:]))
    union = area(first[..., :2], first[..., 2:]) + area(second[..., :2], second[..., 2:]) - shared
    return shared / np.where(union > 0, union, 1)


def suppress_overlaps(boxes: np.ndarray, threshold: float = SAME_BOX) -> np.ndarray:
    """Return the indices, ascending, of the boxes [n, 4] to keep: in output order, each box that overlaps no
    kept one by more than the threshold.
    """
    together = overlaps(boxes, boxes)
    kept: list[int] = []
    for index in range(len(together)):
        if not (together[index, kept] > threshold).any():
            kept.append(index)
    return np.array(kept, np.int64)
