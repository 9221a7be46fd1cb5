"""A table with fewer things on it: what is left out of a stored view is painted over in the table's colour.

Boxes are stored with every view, so that neither a simulator nor a segmentation is needed. What lies in a box
that is kept stays as it was.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

_EVERY = 4
"""Of how many pixels in a row and in a column one is asked for the table's colour."""


def cleared(
    views: Mapping[str, np.ndarray], things: Sequence[Mapping[str, Any]], left_out: Collection[int]
) -> tuple[dict[str, np.ndarray], Sequence[Mapping[str, Any]]]:
    """Return views (camera to uint8 (H, W, 3)) and the list of their things without those whose places in the
    list are given.
    """
    if not left_out:
        return dict(views), things
    kept = [thing for at, thing in enumerate(things) if at not in left_out]
    gone = [things[at] for at in left_out]
    return {
        camera: _painted(view, [_slices(thing, camera) for thing in gone], [_slices(t, camera) for t in kept])
        for camera, view in views.items()
    }, kept


def _painted(
    view: np.ndarray, gone: Sequence[tuple[slice, slice] | None], kept: Sequence[tuple[slice, slice] | None]
) -> np.ndarray:
    colours, counts = np.unique(view[::_EVERY, ::_EVERY].reshape(-1, 3), axis=0, return_counts=True)
    painted = np.array(view)
    for box in filter(None, gone):
        painted[box] = colours[counts.argmax()]
    for box in filter(None, kept):
        painted[box] = view[box]
    return painted


def _slices(thing: Mapping[str, Any], camera: str) -> tuple[slice, slice] | None:
    """Rows and columns of a thing's box in a camera's view; None where it is not seen."""
    if (box := thing["boxes"].get(camera)) is None:
        return None
    top, left, bottom, right = box  # inclusive
    return slice(top, bottom + 1), slice(left, right + 1)
