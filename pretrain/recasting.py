"""Demonstrations recast as others: whatever brought things to new places was also a rearrangement to the view
that it ended with, and whatever moved one thing was a way to be followed. One episode then teaches several
instructions, which say everything by pictures. Source: MIDAS (arXiv 2310.09676), whose demonstrations are
recast as motions to follow.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.embodiments.base import Embodiment
from pretrain.clearing import cleared
from pretrain.sources import StoredEpisode

_MOVED_M, _TURNED_RAD = 0.01, 0.1
_MOST_MOVES = 4
"""Of a way to be followed, so that its pictures fit into a request."""
_ALONE = 0.7
"""Share of the ways that are shown on a table without the other things, but for one at most."""


@dataclass(frozen=True)
class Recast:
    """Steps `first` to `end` (not included) of an episode as an episode of another task."""

    prompt: str
    assets: Mapping[str, Any]
    first: int
    end: int
    remaining: Sequence[str] | None = None
    """Action texts of the steps to come, where they come in another order."""
    left_out: Collection[int] = ()
    """Places in the list of the things that the views shall not show."""


def as_rearrangement(
    record: StoredEpisode, step: int, cameras: Sequence[str], body: Embodiment
) -> Recast | None:
    """Return the instruction to rearrange things as an episode left them, from a step on.

    Nobody asks for an order: things are moved in that of the first number of their places, which a mirrored
    table keeps. None where that would not do: the episode failed, its body has no such instruction, what
    remains is not one action for each thing that moves (it is moved twice, or pushed with others), or a thing
    that moves ends where a camera does not see it (under another).
    """
    if not (body.rearrangement and record.success):
        return None
    moves = [_moved(_objects(record, at), _objects(record, at + 1)) for at in range(step, record.length)]
    moved = [things[0] for things in moves if len(things) == 1]
    if len(set(moved)) != record.length - step:
        return None
    if not all(_is_seen(record.final_objects[index], cameras) for index in moved):
        return None
    now = [record.objects[step][index]["position"] for index in moved]
    order = sorted(range(len(moved)), key=lambda at: now[at][:2])
    return Recast(
        body.rearrangement,
        {"scene": _scene(record, record.length, cameras)},
        0,
        record.length,
        [record.action_texts[step + at] for at in order],
    )


def as_motion(
    record: StoredEpisode,
    step: int,
    cameras: Sequence[str],
    body: Embodiment,
    rng: np.random.Generator | None = None,
) -> Recast | None:
    """Return the instruction to move a thing as a step and its neighbours did that moved the same one.

    None where the episode failed, its body has no such instruction, the step moves nothing or several things,
    or turns one where it lies, more moves follow than a request can show, a camera does not see the thing on
    its way, or the episode's own instruction has no picture of it, or one that fits another thing too.

    With `rng` it is a part of that way, and most are shown on a table that is all but empty: other things say
    nothing about a way, and who never saw one without them takes it for a task whose pictures look like that.
    """
    if not (body.motion and record.success) or any(record.expert_texts):
        return None
    moves = [_moved(_objects(record, at), _objects(record, at + 1)) for at in range(record.length)]
    first = end = step
    while first > 0 and moves[first - 1] == moves[step]:
        first -= 1
    while end < record.length and moves[end] == moves[step]:
        end += 1
    if len(moves[step]) != 1 or end - first > _MOST_MOVES:
        return None
    (index,) = moves[step]
    shown = _picture_of(record, record.objects[first][index])
    stops = [_objects(record, at)[index] for at in range(first, end + 1)]
    if shown is None or not all(_is_seen(stop, cameras) for stop in stops):
        return None
    if not all(_lies_elsewhere(*pair) for pair in itertools.pairwise(stops)):
        return None
    if rng is not None:  # a part of the way is a way, and may have any number of stops
        first, end = int(rng.integers(first, step + 1)), int(rng.integers(step + 1, end + 1))
    others = [at for at in range(len(record.objects[0])) if at != index]
    in_view, in_pictures = (_left_out(others, rng) for _ in range(2)) if _is_alone(rng) else ((), ())
    frames = {f"frame_{at - first}": _scene(record, at, cameras, in_pictures) for at in range(first, end + 1)}
    prompt = body.motion.replace("{frames}", " ".join(f"{{{name}}}" for name in frames))
    return Recast(prompt, {"dragged_obj": shown, **frames}, first, end, left_out=in_view)


def _is_alone(rng: np.random.Generator | None) -> bool:
    return rng is not None and rng.random() < _ALONE


def _left_out(others: Sequence[int], rng: np.random.Generator) -> frozenset[int]:
    """All of these, or, in half the draws, all but one."""
    kept = rng.choice(others) if others and rng.random() < 0.5 else None
    return frozenset(others) - {kept}


def _objects(record: StoredEpisode, at: int) -> Sequence[Mapping[str, Any]]:
    """Before step `at`, or after the last."""
    return record.objects[at] if at < record.length else record.final_objects


def _scene(
    record: StoredEpisode, at: int, cameras: Sequence[str], left_out: Collection[int] = ()
) -> dict[str, Any]:
    """The view before step `at`, or after the last, as an asset of a prompt, without some of its things."""
    views = {
        camera: record.frames[camera][at] if at < record.length else record.final[camera]
        for camera in cameras
    }
    views, objects = cleared(views, _objects(record, at), left_out)
    return {
        "placeholder_type": "scene",
        "rgb": {camera: np.moveaxis(view, -1, 0) for camera, view in views.items()},
        "segm": {},
        "objects": objects,
    }


def _picture_of(record: StoredEpisode, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The asset of an episode's prompt that shows a thing, and no other of the scene."""
    looks = (thing["name"], thing["texture"])
    if sum((other["name"], other["texture"]) == looks for other in record.objects[0]) != 1:
        return None
    for asset in record.prompt_assets.values():
        if asset["placeholder_type"] == "object":
            shown = asset["segm"].get("obj_info")
            if shown and (shown["obj_name"], shown["obj_color"]) == looks:
                return asset
    return None


def _is_seen(thing: Mapping[str, Any], cameras: Sequence[str]) -> bool:
    return all(thing["boxes"].get(camera) for camera in cameras)


def _moved(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places in the list of the things that lie elsewhere, or otherwise."""
    return [at for at, pair in enumerate(zip(before, after, strict=True)) if _has_moved(*pair)]


def _lies_elsewhere(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return np.linalg.norm(np.subtract(after["position"][:2], before["position"][:2])) > _MOVED_M


def _has_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    if _lies_elsewhere(before, after):
        return True
    if "quaternion" not in before:  # of datasets that tell places alone
        return False
    alike = abs(np.dot(after["quaternion"], before["quaternion"]))  # cosine of half the angle between them
    return 2 * np.arccos(min(alike, 1.0)) > _TURNED_RAD
