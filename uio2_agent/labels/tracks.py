"""Where an object was in earlier frames: `<image_history_j>`, its box, its label, frame by frame; the answer
is its box in the last frame.

Frames in which the object is not seen are left out. Knows boxes, no video.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.boxes import boxes_to_values, values_to_boxes
from uio2_agent.labels.locations import read_labelled_values, write_values
from uio2_agent.media.geometry import Placement
from uio2_agent.text.vocabulary import HISTORY_MARKERS

_MARKER = re.compile(r"<image_history_(\d+)>")


@dataclass(frozen=True)
class TrackedBox:
    """An object in one earlier frame."""

    frame: int
    """Counted from 1, the earliest, as in `<image_history_1>`."""
    box: np.ndarray
    """float64 [4]: x1 y1 x2 y2 in pixels of the frame."""
    label: str


def write_track(track: Sequence[TrackedBox], placement: Placement) -> str:
    """Write an object's boxes in earlier frames of one size, in the order given.

    The box of the answer is written by `boxes.write_boxes`.
    """
    written = []
    for tracked in track:
        if not 1 <= tracked.frame <= HISTORY_MARKERS:
            raise UIO2Error(f"frame {tracked.frame} has no marker; earlier frames are 1..{HISTORY_MARKERS}")
        values = boxes_to_values(tracked.box, placement)
        written.append(f"<image_history_{tracked.frame}> {write_values(values, [tracked.label])}")
    return " ".join(written)


def read_track(text: str, placement: Placement, released: bool = False) -> list[TrackedBox]:
    """Read every labelled box that follows a frame's marker; other text is passed over."""
    track = []
    pieces = _MARKER.split(text)  # text, frame, text, frame, text, ...
    for frame, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        values, labels = read_labelled_values(piece, 4, released)
        boxes = values_to_boxes(values, placement)
        track += [TrackedBox(int(frame), box, label) for box, label in zip(boxes, labels, strict=True)]
    return track
