"""What is told of the objects of a scene, and how an action finds the one it is meant for."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.house.building.fitting import room_at
from envs.house.objects import ObjectType, object_types
from envs.house.rendering import looking
from envs.house.scene import Thing
from envs.house.sight import visible
from envs.house.thor.agent import Agent
from envs.house.thor.errors import NOT_VISIBLE, ActionError
from envs.house.thor.frames import euler, vector
from envs.house.thor.registry import missing_arguments
from envs.house.thor.session import Session
from envs.house.thor.settings import CENTRE, FAR

STRUCTURE = ("Floor", "Wall", "Doorway", "Doorframe", "Window")
"""Types of the shell that AI2-THOR lists among the objects; a door's wood goes by its leaf."""
_FRAME = "frame|"
_HOT, _COLD = ("StoveBurner", "Microwave", "Toaster", "CoffeeMachine"), ("Fridge",)
_DENSITY = 150.0
"""Of everything, kilograms a cubic metre: masses are estimates of ours."""
_NOTHING = ObjectType("", (1.0, 1.0, 1.0), "fixed", "block")


def listed(agent: Agent) -> list[Thing]:
    """Return the objects that metadata tell of, without the filter."""
    movable = agent.simulator.states
    return [
        thing
        for thing in agent.simulator.scene.things
        if thing.movable or (thing.type in STRUCTURE and told_id(thing) not in movable)
    ]


def told_id(thing: Thing) -> str:
    """Return the id under which a thing is told of: a door without a leaf has its frame for one."""
    return thing.id.removeprefix(_FRAME)


def find_object(agent: Agent, id: str) -> Thing:
    """Return an object by its id. ActionError where there is none."""
    for thing in listed(agent):
        if told_id(thing) == id:
            return thing
    raise ActionError(f"objectId: {id} is not the objectId on any object in the scene!")


def kind(thing: Thing) -> ObjectType:
    """Return what a thing's type can do; the shell can do nothing."""
    return object_types().get(thing.type, _NOTHING)


def opens(agent: Agent, thing: Thing) -> bool:
    """Return whether a thing opens; a door does where its file says so."""
    if thing.type == "Doorway":
        house = agent.simulator.house
        return house is not None and any(door.id == thing.id and door.openable for door in house.doors)
    return thing.movable and "open" in kind(thing).can


def seen(agent: Agent, id: str) -> bool:
    """Return whether the agent sees an object within its reach."""
    if id == agent.simulator.held:
        return True
    settings = agent.settings
    return visible(
        agent.simulator,
        id,
        agent.simulator.stance,
        reach=settings.reach,
        vertical_fov=settings.fov,
        aspect=agent.width / agent.height,
    )


def target(
    agent: Agent,
    action: str,
    objectId: str | None,
    x: float | None = None,
    y: float | None = None,
    *,
    force: bool = False,
    code: str = NOT_VISIBLE,
) -> Thing:
    """Return the object that an action is for, by id or by where it is in the picture.

    ActionError where there is none, or where it is out of sight or reach and not forced.
    """
    if objectId is None:
        if x is None or y is None:
            raise missing_arguments(action, ["objectId"])
        found = object_in_frame(agent, x, y)
        if found is None:
            raise ActionError(f"no object at ({x:g}, {y:g}) in the picture", code)
        objectId = found
    thing = find_object(agent, objectId)
    if not force and not seen(agent, thing.id):
        raise ActionError(f"Target object {objectId} not found within the specified visibility.", code)
    return thing


def ray_of(agent: Agent, x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the eye and a far point behind a place in the picture: x and y from its upper left, 0 to 1."""
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ActionError(f"x and y must be in [0:1]; got ({x:g}, {y:g})")
    stance = agent.simulator.stance
    up = np.tan(np.radians(agent.settings.fov) / 2)
    across = up * agent.width / agent.height
    way = looking(stance.yaw, stance.pitch) @ np.array([(2 * x - 1) * across, (1 - 2 * y) * up, -1.0])
    return stance.position, stance.position + FAR * way


def object_in_frame(agent: Agent, x: float, y: float) -> str | None:
    """Return the id of the object at a place in the picture, None for none."""
    met, _ = agent.simulator.ray(*ray_of(agent, x, y))
    return told_as(agent, met)


def told_as(agent: Agent, place: int | None) -> str | None:
    """Return the id under which a thing, by its place in the scene, is told of; None for what is not."""
    if place is None or place < 0:
        return None
    thing = agent.simulator.scene.things[place]
    return told_id(thing) if thing.movable or thing.type in STRUCTURE else None


# records


@dataclass(frozen=True)
class Told:
    """What is told of all objects until one of them changes; N of them."""

    things: list[Thing]
    records: list[dict[str, Any]]
    centres: np.ndarray  # (N, 3)
    spans: np.ndarray  # (N,) half the diagonal of each box from above


def records(session: Session) -> list[dict[str, Any]]:
    """Return the record of each object that is told of, as AI2-THOR's metadata have them."""
    if session.told is None:
        things = [session.simulator.now(thing.id) for thing in listed(session)]
        session.told = Told(
            things,
            [_record(session, thing) for thing in things],
            np.array([thing.position for thing in things]).reshape(-1, 3),
            np.array([np.hypot(*(thing.low_high[1] - thing.low_high[0])[:2]) / 2 for thing in things]),
        )
    told, here = session.told, np.array([session.x, session.z, CENTRE])
    away = np.linalg.norm(told.centres - here, axis=1)
    near = np.hypot(*(told.centres - here)[:, :2].T) - told.spans <= session.settings.reach
    return [
        {**record, "distance": distance, "visible": bool(close) and seen(session, thing.id)}
        for thing, record, distance, close in zip(told.things, told.records, away.tolist(), near, strict=True)
        if session.shown is None or record["objectId"] in session.shown
    ]


def _record(session: Session, thing: Thing) -> dict[str, Any]:
    simulator, does = session.simulator, kind(thing)
    state = simulator.states.get(thing.id)
    flags = state.flags if state is not None else frozenset()
    can, moves = (does.can if thing.movable else frozenset()), does.moves
    held = simulator.held == thing.id
    receptacle = thing.movable and bool(does.holds)
    low, high = thing.low_high
    pickupable = thing.movable and moves == "carried"
    weight = round(float(np.prod(thing.size)) * _DENSITY, 3) if moves != "fixed" else 0.0
    opened = state.openness if state is not None else 0.0
    opening = opens(session, thing)
    return {
        "name": told_id(thing),
        "objectId": told_id(thing),
        "objectType": "Doorway" if thing.type == "Doorframe" else thing.type,
        "assetId": _assets(session).get(told_id(thing), ""),
        "position": vector(thing.position),
        "rotation": euler(thing.rotation),
        "distance": 0.0,
        "visible": False,
        "obstructed": False,
        "receptacle": receptacle,
        "receptacleObjectIds": (
            [id for id, other in simulator.states.items() if other.parent == thing.id] if receptacle else None
        ),
        "parentReceptacles": None if held else _parents(session, thing),
        "pickupable": pickupable,
        "isPickedUp": held,
        "moveable": thing.movable and moves == "pushed",
        "mass": weight,
        "salientMaterials": None,
        "openable": opening,
        "isOpen": bool(opened) and opening,
        "openness": opened if opening else 0.0,
        "toggleable": "toggle" in can,
        "isToggled": bool(state and state.on),
        "controlledObjects": None,
        "breakable": "break" in can,
        "isBroken": "broken" in flags,
        "sliceable": "slice" in can,
        "isSliced": "sliced" in flags,
        "cookable": "cook" in can,
        "isCooked": "cooked" in flags,
        "temperature": "RoomTemp",
        "isHeatSource": thing.type in _HOT,
        "isColdSource": thing.type in _COLD,
        "dirtyable": "dirty" in can,
        "isDirty": "dirty" in flags,
        "canFillWithLiquid": "fill" in can,
        "isFilledWithLiquid": bool(state and state.liquid),
        "fillLiquid": state.liquid if state is not None else None,
        "canBeUsedUp": "use_up" in can,
        "isUsedUp": "used_up" in flags,
        "isMoving": False,
        "axisAlignedBoundingBox": {
            "cornerPoints": _corners((low + high) / 2, (high - low) / 2, np.eye(3)),
            "center": vector((low + high) / 2),
            "size": vector(high - low),
        },
        "objectOrientedBoundingBox": (
            {"cornerPoints": _corners(np.array(thing.position), np.array(thing.size) / 2, thing.rotation)}
            if pickupable
            else None
        ),
    }


def _assets(session: Session) -> dict[str, str]:
    house = session.house
    if house is None:
        return {}
    openings = {each.id: each.asset for each in (*house.doors, *house.windows)}
    return openings | {record.id: record.asset for record, _ in house.every_object()}


def _parents(session: Session, thing: Thing) -> list[str] | None:
    """What a thing stands on or in: another, or the room's floor."""
    state = session.simulator.states.get(thing.id)
    if state is None or thing.type == "Doorway":
        return None
    if state.parent is not None:
        return [state.parent]
    room = room_at(session.house.rooms, thing.position[:2]) if session.house is not None else None
    return [room.id] if room is not None else None


def _corners(centre: np.ndarray, half: np.ndarray, rotation: np.ndarray) -> list[list[float]]:
    """The 8 corners of a box, [x, y, z] each, in Unity's frame."""
    signs = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)])
    return (centre + (signs * half) @ rotation.T)[:, [0, 2, 1]].tolist()
