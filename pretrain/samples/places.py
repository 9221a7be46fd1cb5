"""Boxes and points of records as location tokens. Records keep y1 x1 y2 x2; `uio2_agent.labels` takes x
before y.
"""

from collections.abc import Sequence

import numpy as np

from pretrain.samples.context import Context
from uio2_agent.labels.boxes import write_boxes
from uio2_agent.labels.points import write_points


def box_text(box: np.ndarray, image: np.ndarray, context: Context) -> str:
    """Write one box, y1 x1 y2 x2 in pixels of the image (H, W, 3), as four tokens."""
    return boxes_text(np.asarray(box)[None], image, context)


def boxes_text(
    boxes: np.ndarray, image: np.ndarray, context: Context, names: Sequence[str] | None = None
) -> str:
    """Write boxes [n, 4], y1 x1 y2 x2 in pixels of the image (H, W, 3), each with its name if there are
    names.
    """
    return write_boxes(np.asarray(boxes, float)[:, [1, 0, 3, 2]], context.placement(image), names)


def points_text(points: np.ndarray, image: np.ndarray, context: Context) -> str:
    """Write points [n, 2], x y in pixels of the image (H, W, 3), two tokens each."""
    return write_points(points, context.placement(image))
