"""Where an object can be put: spots on and in receptacles, and what lies below a hand."""

from dataclasses import dataclass

import numpy as np

from envs.house.scene import Thing, rotation_about
from envs.house.thor.agent import Agent
from envs.house.thor.objects import kind, opens

_SPACING = 0.05
"""Metres between spots that are tried."""
_RIM = 0.02
"""Metres that what stands inside keeps from the sides."""
_TOUCH = 0.008
"""Metres that boxes may share: what stands on something touches it."""
_BOTTOM = 0.05
"""Height of an inner floor, as a share of the receptacle's, where its type tells none."""

_BATCH = 200
"""Spots that are looked at together."""


@dataclass(frozen=True)
class Spot:
    """A pose in the scene's frame."""

    position: np.ndarray
    rotation: np.ndarray


def spots(agent: Agent, held: Thing, onto: Thing, inside: bool) -> list[Spot]:
    """Return poses of `held` within the sides of an upright receptacle, the nearest to the agent first."""
    onto = agent.simulator.now(onto.id)
    x, y, half_x, half_y, yaw = onto.floor_box
    share = kind(onto).surface
    if inside and share == 1:
        share = _BOTTOM
    height = onto.low_high[1][2] - onto.low_high[0][2]
    bottom = float(onto.low_high[0][2]) + share * height
    if inside and opens(agent, onto) and held.size[2] > (1 - share) * height:
        return []
    rim, axes, found = (_RIM if inside else 0.0), rotation_about(2, yaw), []
    for turned in (False, True):
        wide, deep = held.size[1::-1] if turned else held.size[:2]
        room = half_x - wide / 2 - rim, half_y - deep / 2 - rim
        if min(room) < 0:
            continue
        rotation = axes @ rotation_about(2, np.pi / 2) if turned else axes
        along, across = (np.linspace(-r, r, 1 + 2 * int(r / _SPACING)) for r in room)
        found += [
            Spot(np.array([x, y, bottom + held.size[2] / 2]) + axes @ (u, v, 0.0), rotation)
            for u in along
            for v in across
        ]
    here = agent.simulator.stance.point
    return sorted(found, key=lambda spot: float(np.linalg.norm(spot.position[:2] - here)))


def first_free(agent: Agent, thing: Thing, spots: list[Spot], within: str | None = None) -> Spot | None:
    """Return the first pose at which a thing meets nothing but what it stands `within`; the agent counts too.

    None where there is none.
    """
    simulator = agent.simulator
    low, high = simulator.solid_boxes(
        [thing.id, *simulator.standing_on(thing.id), *([within] if within else ())]
    )
    here, wide = simulator.stance.point, simulator.obstacles.body.radius
    low = np.vstack([low, [*(here - wide), 0.0]])
    high = np.vstack([high, [*(here + wide), simulator.stance.eye]])
    for start in range(0, len(spots), _BATCH):
        batch = spots[start : start + _BATCH]
        at = np.array([spot.position for spot in batch])[:, None]
        half = (
            np.array([np.abs(spot.rotation) @ (np.array(thing.size) / 2) for spot in batch])[:, None] - _TOUCH
        )
        meets = ((low < at + half) & (high > at - half)).all(2).any(1)
        if not meets.all():
            return batch[int(meets.argmin())]
    return None


def landing(agent: Agent, thing: Thing, at: np.ndarray) -> tuple[np.ndarray, str | None] | None:
    """Return where a thing comes to rest that falls from a point, and what it stands on then.

    None where there is nothing below.
    """
    met, far = agent.simulator.ray(at, at - (0.0, 0.0, at[2] + 1.0))
    if met is None:
        return None
    below = agent.simulator.scene.things[met]
    half = float((np.abs(thing.rotation) @ (np.array(thing.size) / 2))[2])
    holds = below.movable and bool(kind(below).holds)
    return np.array([at[0], at[1], at[2] - far + half]), below.id if holds else None
