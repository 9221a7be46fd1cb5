"""Actions that pick objects up, carry them and put them down. Nothing rolls: what is let go stays where it
lands.
"""

import math

import numpy as np

from envs.house.rendering import looking
from envs.house.scene import Thing, rotation_about, unity_rotation
from envs.house.thor.agent import Agent
from envs.house.thor.errors import (
    INVENTORY_FULL,
    NOT_ALLOWED_IN_RECEPTACLE,
    NOT_IN_INVENTORY,
    NOT_PICKUPABLE,
    RECEPTACLE_FULL,
    RECEPTACLE_NOT_OPEN,
    RECEPTACLE_NOT_VISIBLE,
    ActionError,
)
from envs.house.thor.objects import kind, opens, target
from envs.house.thor.placing import Spot, first_free, landing, spots
from envs.house.thor.registry import action

_GRAVITY, _NEWTON = 9.81, 20.0
"""m/s²; and the force that gives a thrown thing a metre a second."""
_PUSH_STEP, _TICK = 0.05, 0.02
_FORCE = 100.0
"""The force that pushes a thing a metre."""


@action("PickupObject")
def pick_up(
    agent: Agent,
    *,
    objectId: str | None = None,
    forceAction: bool = False,
    manualInteract: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    """Take an object into the empty hand, with what is in it."""
    if agent.simulator.held is not None:
        raise ActionError(
            "Agent hand has something in it already! Can't pick up anything else", INVENTORY_FULL
        )
    thing = target(agent, "PickupObject", objectId, x, y, force=forceAction)
    if kind(thing).moves != "carried":
        text = f"{thing.id} must have the property CanPickup to be picked up."
        raise ActionError(text, NOT_PICKUPABLE)
    if not forceAction and (closed := _closed_around(agent, thing)) is not None:
        raise ActionError(f"{thing.id} is in {closed}, which is closed", RECEPTACLE_NOT_OPEN)
    agent.simulator.take(thing.id)


def _closed_around(agent: Agent, thing: Thing) -> str | None:
    """The closed thing that an object is in, if there is one."""
    parent = agent.simulator.states[thing.id].parent
    if parent is None:
        return None
    around = agent.simulator.thing(parent)
    inside = kind(around).holds == {"inside"}
    closed = opens(agent, around) and not agent.simulator.states[parent].openness
    return parent if inside and closed else None


@action("PutObject")
def put(
    agent: Agent,
    *,
    objectId: str | None = None,
    forceAction: bool = False,
    placeStationary: bool = True,
    x: float | None = None,
    y: float | None = None,
) -> None:
    """Put what is in the hand on or into a receptacle, where there is room nearest to the agent."""
    held = _held(agent, "Can't place an object if Agent isn't holding anything")
    onto = target(agent, "PutObject", objectId, x, y, force=forceAction, code=RECEPTACLE_NOT_VISIBLE)
    if onto.id == held.id or onto.id in agent.simulator.standing_on(held.id) or not kind(onto).holds:
        raise ActionError(f"This target object is NOT a receptacle! ({onto.id})", NOT_ALLOWED_IN_RECEPTACLE)
    if "inside" in kind(onto).holds and "top" not in kind(onto).holds and _closed(agent, onto):
        raise ActionError(
            "Target openable Receptacle is CLOSED, can't place if target is not open!", RECEPTACLE_NOT_OPEN
        )
    inside = "inside" in kind(onto).holds and not _closed(agent, onto)
    places = spots(agent, held, onto, inside)
    if not places:
        raise ActionError(f"{held.id} cannot be placed in {onto.id}", NOT_ALLOWED_IN_RECEPTACLE)
    spot = first_free(agent, held, places, onto.id)
    if spot is None:
        raise ActionError(f"No valid positions to place object found on {onto.id}", RECEPTACLE_FULL)
    agent.simulator.put(held.id, spot.position, spot.rotation, parent=onto.id)


def _closed(agent: Agent, thing: Thing) -> bool:
    return opens(agent, thing) and not agent.simulator.states[thing.id].openness


@action("DropHandObject")
def drop(agent: Agent, *, forceAction: bool = False) -> None:
    """Let what is in the hand fall straight down."""
    held = _held(agent, "nothing in hand to drop!")
    _let_go(agent, held, np.array(held.position))


@action("ThrowObject")
def throw(agent: Agent, *, moveMagnitude: float = 50.0, forceAction: bool = False) -> None:
    """Throw what is in the hand along the line of sight; it lies where its flight ends."""
    held = _held(agent, "nothing in hand to throw!")
    stance, at = agent.simulator.stance, np.array(held.position)
    speed = max(0.0, moveMagnitude) / _NEWTON * -looking(stance.yaw, stance.pitch)[:, 2]
    for _ in range(200):
        ahead = at + _TICK * speed
        if first_free(agent, held, [Spot(ahead, held.rotation)]) is None:
            break
        at, speed = ahead, speed - (0, 0, _TICK * _GRAVITY)
    _let_go(agent, held, at)


def _let_go(agent: Agent, held: Thing, at: np.ndarray) -> None:
    found = landing(agent, held, at)
    if found is None:
        raise ActionError(f"{held.id} would fall where there is no floor")
    position, parent = found
    agent.simulator.put(held.id, position, held.rotation, parent=parent)


@action("MoveHeldObject")
def move_held(
    agent: Agent, *, ahead: float = 0.0, right: float = 0.0, up: float = 0.0, forceVisible: bool = False
) -> None:
    """Move the hand, until the agent moves."""
    held = _held(agent, "Agent can only move held object if it holds one")
    axes = looking(agent.simulator.stance.yaw, 0.0)
    shift = axes @ (right, up, -ahead)
    for share in np.linspace(0, 1, 2 + int(np.linalg.norm(shift) / _PUSH_STEP))[1:]:
        spot = Spot(np.array(held.position) + share * shift, held.rotation)
        if first_free(agent, held, [spot]) is None:
            raise ActionError(f"{held.id} would collide with something on its way")
    agent.simulator.hold(np.array(held.position) + shift, held.rotation)


@action("RotateHeldObject")
def rotate_held(agent: Agent, *, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> None:
    """Turn what is in the hand, until the agent moves; degrees."""
    held = _held(agent, "Agent can only rotate held object if it holds one")
    agent.simulator.hold(np.array(held.position), unity_rotation((pitch, yaw, roll)) @ held.rotation)


def _held(agent: Agent, otherwise: str) -> Thing:
    if agent.simulator.held is None:
        raise ActionError(otherwise, NOT_IN_INVENTORY)
    return agent.simulator.now(agent.simulator.held)


@action("PushObject")
def push(
    agent: Agent, *, objectId: str | None = None, moveMagnitude: float = 20.0, forceAction: bool = False
) -> None:
    """Push an object away from the agent."""
    _slide(agent, "PushObject", objectId, moveMagnitude, 0.0, forceAction)


@action("PullObject")
def pull(
    agent: Agent, *, objectId: str | None = None, moveMagnitude: float = 20.0, forceAction: bool = False
) -> None:
    """Pull an object towards the agent."""
    _slide(agent, "PullObject", objectId, moveMagnitude, 180.0, forceAction)


@action("DirectionalPush")
def directional_push(
    agent: Agent,
    *,
    objectId: str | None = None,
    moveMagnitude: float = 20.0,
    pushAngle: float = 0.0,
    forceAction: bool = False,
) -> None:
    """Push an object `pushAngle` degrees clockwise from straight ahead."""
    _slide(agent, "DirectionalPush", objectId, moveMagnitude, pushAngle, forceAction)


def _slide(agent: Agent, name: str, objectId: str | None, force: float, angle: float, forced: bool) -> None:
    """Slide a thing over the floor or what it stands on, as far as the force goes or something is met."""
    thing = target(agent, name, objectId, force=forced)
    if not thing.movable or thing.type == "Doorway" or kind(thing).moves == "fixed":
        raise ActionError(f"Target object {thing.id} must be moveable or pickupable to be pushed or pulled!")
    yaw = agent.simulator.stance.yaw - math.radians(angle)
    way = rotation_about(2, yaw) @ (0.0, 1.0, 0.0)
    now = agent.simulator.now(thing.id)
    at, moved = np.array(now.position), 0.0
    parent = agent.simulator.states[thing.id].parent
    while (
        moved < force / _FORCE
        and first_free(agent, now, [Spot(at + _PUSH_STEP * way, now.rotation)], parent) is not None
    ):
        at, moved = at + _PUSH_STEP * way, moved + _PUSH_STEP
    if not moved:
        raise ActionError(f"{thing.id} cannot move that way")
    agent.simulator.put(thing.id, at, now.rotation, parent=parent)
