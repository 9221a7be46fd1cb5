"""The joints of a person: for each of 17 parts, in COCO's order, `y x name`.

A part that is not visible is written `name MISSING`. Unusual: a part that an answer does not give is read as
the mean of those it gives, marked as not visible. Knows names and points; which region is looked at is the
request's matter.
"""

import re
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import LOCATION, values_in, warn_outside, write_values
from uio2_agent.labels.points import points_to_values, values_to_points
from uio2_agent.media.geometry import Placement

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
JOINTS = ("nose", *(f"{side} {part}" for part in _PAIRS for side in ("left", "right")))
"""The parts in the order of an answer."""
MISSING = "MISSING"
VISIBLE, NOT_VISIBLE = 2, 0
"""COCO's marks in the third column."""

_ENTRY = re.compile(
    rf"(?P<point>{LOCATION}\s+{LOCATION})?\s*\b(?P<part>{'|'.join(JOINTS)})\b(?P<missing>\s+{MISSING}\b)?"
)


@dataclass(frozen=True)
class Keypoints:
    """Joints read from an answer."""

    points: np.ndarray
    """float64 [17, 3]: x, y in pixels, and 2 (given) or 0 (not given: x, y are the mean of the given)."""
    complete: bool
    """The answer consists of all 17 parts, each once, with a point or declared missing."""


def write_keypoints(points: np.ndarray, placement: Placement) -> str:
    """Write joints [17, 3]: x, y in pixels and visibility; 0 means missing, whatever x and y are.

    Raises UIO2Error if the shape is another, or a visible joint is not finite.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (len(JOINTS), 3):
        raise UIO2Error(
            f"keypoints must be [{len(JOINTS)}, 3] (x, y, visible); they are {list(points.shape)}"
        )
    visible = points[:, 2] > 0
    values = points_to_values(points[visible, :2], placement)
    warn_outside(points[visible, :2], placement, "points lie", "point")
    written = iter([write_values(value[None]) for value in values])
    return " ".join(
        f"{next(written)} {part}" if seen else f"{part} {MISSING}"
        for part, seen in zip(JOINTS, visible, strict=True)
    )


def read_keypoints(text: str, placement: Placement, released: bool = False) -> Keypoints:
    """Read joints from text, in any order; of a part that is given twice the first counts.

    Without any joint all points are 0 0.
    """
    points = np.zeros((len(JOINTS), 3))
    named: list[str] = []
    for entry in _ENTRY.finditer(text):
        index = JOINTS.index(entry["part"])
        if entry["point"] and not entry["missing"] and points[index, 2] == NOT_VISIBLE:
            points[index, :2] = values_to_points(values_in(entry["point"], released), placement)[0]
            points[index, 2] = VISIBLE
        if entry["point"] or entry["missing"]:
            named.append(entry["part"])
    given = points[:, 2] == VISIBLE
    if given.any():
        points[~given, :2] = points[given, :2].mean(axis=0)
    rest = _ENTRY.sub("", text).strip()
    return Keypoints(points, complete=sorted(named) == sorted(JOINTS) and not rest)
