"""Which rooms are joined, and how: doors, frames, or no wall at all.

Groups are joined within, then with each other, so every room can be reached by construction. Ways lead
through bedrooms and bathrooms only where nothing else borders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.generator.floorplan import OUTSIDE, FloorPlan
from envs.house.generator.outlines import Side
from envs.house.generator.specs import PRIVATE

OPEN, FRAME, LEAF = "open", "frame", "leaf"
_DOOR_WEIGHTS = {"Kitchen": 3.0, "LivingRoom": 3.0, "Bedroom": 1.0, "Bathroom": 0.2}


@dataclass(frozen=True)
class Joint:
    """Two rooms that are joined along a side of the first; the second is OUTSIDE for the way out."""

    side: Side
    kind: str


def joints(plan: FloorPlan, sides: Sequence[Sequence[Side]], rng: np.random.Generator) -> list[Joint]:
    """Join all rooms of a plan, and one with the outside."""
    found: list[Joint] = []
    _join(plan.groups, plan, sides, rng, found)
    found.append(_way_out(plan, sides, rng))
    return found


def _rooms(group) -> list[int]:
    return [group] if isinstance(group, int) else [room for child in group for room in _rooms(child)]


def _join(
    group, plan: FloorPlan, sides: Sequence[Sequence[Side]], rng: np.random.Generator, found: list[Joint]
) -> None:
    if isinstance(group, int):
        return
    for child in group:
        _join(child, plan, sides, rng, found)
    joined = _rooms(group[0])
    waiting = [_rooms(child) for child in group[1:]]
    while waiting:
        options = [
            (side, others)
            for others in waiting
            for room in joined
            for side in sides[room]
            if side.neighbour in others
        ]
        weights = np.array([side.length * _weight(plan, side) for side, _ in options])
        side, others = options[int(rng.choice(len(options), p=weights / weights.sum()))]
        found.append(Joint(side, _kind(plan, side, rng)))
        joined += others
        waiting.remove(others)


def _weight(plan: FloorPlan, side: Side) -> float:
    """How gladly two rooms are joined: bathrooms last."""
    private = sum(plan.types[room] in PRIVATE for room in (side.room, side.neighbour))
    bath = any(plan.types[room] == "Bathroom" for room in (side.room, side.neighbour))
    return (1.0, 0.3, 0.1)[private] * (0.2 if bath else 1.0)


def _kind(plan: FloorPlan, side: Side, rng: np.random.Generator) -> str:
    if {plan.types[side.room], plan.types[side.neighbour]} == {
        "Kitchen",
        "LivingRoom",
    } and rng.random() < 0.75:
        return FRAME if rng.random() < 0.5 else OPEN
    return LEAF


def _way_out(plan: FloorPlan, sides: Sequence[Sequence[Side]], rng: np.random.Generator) -> Joint:
    options = [side for each in sides for side in each if side.neighbour == OUTSIDE]
    weights = np.array([side.length * _DOOR_WEIGHTS[plan.types[side.room]] for side in options])
    return Joint(options[int(rng.choice(len(options), p=weights / weights.sum()))], LEAF)
