"""Demonstrations recast as others: whatever brought things to new places was also a rearrangement to the view
that it ended with. One episode then teaches two instructions, the second of which says everything by a
picture. Source: MIDAS (arXiv 2310.09676), whose demonstrations are recast as motions to follow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies.embodiments.base import Embodiment
from pretrain.sources import StoredEpisode

_MOVED_M, _TURNED_RAD = 0.01, 0.1
Instruction = tuple[str, Mapping[str, Any]]
"""A prompt and its assets."""


def as_rearrangement(
    record: StoredEpisode, step: int, cameras: Sequence[str], body: Embodiment
) -> Instruction | None:
    """Return the instruction to rearrange things as an episode left them, from a step on.

    None where that would not lead to the same actions: the episode failed, its body has no such instruction,
    what remains is not one action for each thing that moves (it is moved twice, or pushed with others), or a
    thing that moves ends where a camera does not see it (under another).
    """
    if not (body.rearrangement and record.success):
        return None
    pairs = zip(record.objects[step], record.final_objects, strict=True)
    moved = [after for before, after in pairs if _has_moved(before, after)]
    if len(moved) != record.length - step:
        return None
    if not all(thing["boxes"].get(camera) for thing in moved for camera in cameras):
        return None
    scene = {
        "placeholder_type": "scene",
        "rgb": {camera: np.moveaxis(record.final[camera], -1, 0) for camera in cameras},
        "segm": {},
        "objects": record.final_objects,
    }
    return body.rearrangement, {"scene": scene}


def _has_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if np.linalg.norm(np.subtract(after["position"][:2], before["position"][:2])) > _MOVED_M:
        return True
    if "quaternion" not in before:  # of datasets that tell places alone
        return False
    alike = abs(np.dot(after["quaternion"], before["quaternion"]))  # cosine of half the angle between them
    return 2 * np.arccos(min(alike, 1.0)) > _TURNED_RAD
