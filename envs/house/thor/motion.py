"""Actions that move the agent and its head.

A move happens wholly or not at all. Yaw and horizon are kept in degrees, so that four quarter turns are none.
"""

import math

import numpy as np

from envs.errors import shown
from envs.house.thor.errors import (
    INVALID_ARGUMENT,
    LOOK_DOWN_LIMIT,
    LOOK_UP_LIMIT,
    ActionError,
)
from envs.house.thor.registry import Vector, action, missing_arguments
from envs.house.thor.session import Session
from envs.house.thor.settings import CENTRE

_SLACK = 1e-4
_ANOTHER_FLOOR = 1.0
"""Metres that a position may be too high or too low."""
_AHEAD, _RIGHT = np.array([1.0, 0.0]), np.array([0.0, 1.0])


@action("MoveAhead", still=True)
def move_ahead(
    session: Session, *, moveMagnitude: float | None = None, noise: float = 0.0, forceAction: bool = False
) -> None:
    _move(session, _AHEAD, moveMagnitude, noise)


@action("MoveBack", still=True)
def move_back(
    session: Session, *, moveMagnitude: float | None = None, noise: float = 0.0, forceAction: bool = False
) -> None:
    _move(session, -_AHEAD, moveMagnitude, noise)


@action("MoveRight", still=True)
def move_right(
    session: Session, *, moveMagnitude: float | None = None, noise: float = 0.0, forceAction: bool = False
) -> None:
    _move(session, _RIGHT, moveMagnitude, noise)


@action("MoveLeft", still=True)
def move_left(
    session: Session, *, moveMagnitude: float | None = None, noise: float = 0.0, forceAction: bool = False
) -> None:
    _move(session, -_RIGHT, moveMagnitude, noise)


@action("MoveAgent", still=True)
def move_agent(session: Session, *, ahead: float = 0.0, right: float = 0.0) -> None:
    _move(session, np.array([ahead, right]), 1.0, 0.0)


def _move(session: Session, direction: np.ndarray, magnitude: float | None, noise: float) -> None:
    """Go along (ahead, right)."""
    settings = session.settings
    length = (magnitude or settings.grid) + noise + _drawn(session, settings.move_noise)
    yaw = math.radians(session.yaw)
    ahead, right = direction * length
    shift = np.array(
        [ahead * math.sin(yaw) + right * math.cos(yaw), ahead * math.cos(yaw) - right * math.sin(yaw)]
    )
    start = np.array([session.x, session.z])
    target = start + shift
    if settings.snap:
        target = np.round(target / settings.grid) * settings.grid
    stopped = session.simulator.way_blocked(start, target)
    if stopped is not None:
        moved = f"({shift[0]:.4f}, 0.0000, {shift[1]:.4f})"
        if stopped < 0:
            raise ActionError(f"the end of the floor is blocking Agent 0 from moving by {moved}")
        blocking = session.simulator.scene.things[stopped].id
        session.collided = (blocking,)
        raise ActionError(f"{blocking} is blocking Agent 0 from moving by {moved}")
    session.place_agent(x=float(target[0]), z=float(target[1]))


@action("RotateRight", still=True)
def rotate_right(session: Session, *, degrees: float | None = None, forceAction: bool = False) -> None:
    _rotate(session, 1, degrees)


@action("RotateLeft", still=True)
def rotate_left(session: Session, *, degrees: float | None = None, forceAction: bool = False) -> None:
    _rotate(session, -1, degrees)


def _rotate(session: Session, sign: int, degrees: float | None) -> None:
    turned = (degrees or session.settings.turn) + _drawn(session, session.settings.turn_noise)
    session.place_agent(yaw=session.yaw + sign * turned)


def _drawn(session: Session, noise: tuple[float, float]) -> float:
    mean, deviation = noise
    return mean + abs(deviation) * float(session.random.standard_normal()) if deviation or mean else 0.0


@action("LookDown", still=True)
def look_down(session: Session, *, degrees: float = 30.0) -> None:
    lowest = session.settings.mode.lowest
    if session.horizon + degrees > lowest + _SLACK:
        text = f"can't look down beyond {lowest:g} degrees below the forward horizon"
        raise ActionError(text, LOOK_DOWN_LIMIT)
    session.place_agent(horizon=session.horizon + degrees)


@action("LookUp", still=True)
def look_up(session: Session, *, degrees: float = 30.0) -> None:
    highest = session.settings.mode.highest
    if session.horizon - degrees < -highest - _SLACK:
        text = f"can't look up beyond {highest:g} degrees above the forward horizon"
        raise ActionError(text, LOOK_UP_LIMIT)
    session.place_agent(horizon=session.horizon - degrees)


@action("Crouch", still=True)
def crouch(session: Session) -> None:
    _stand(session, False)


@action("Stand", still=True)
def stand(session: Session) -> None:
    _stand(session, True)


def _stand(session: Session, standing: bool) -> None:
    if not session.settings.mode.crouches:
        raise ActionError(f"a {session.settings.mode.name} neither crouches nor stands up")
    if session.standing == standing:
        raise ActionError(f"the agent is {'standing' if standing else 'crouching'} already")
    session.place_agent(standing=standing)


@action("Teleport", still=True)
def teleport(
    session: Session,
    *,
    position: Vector | None = None,
    rotation: Vector | None = None,
    horizon: float | None = None,
    standing: bool | None = None,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
    z: float | None = None,
) -> None:
    """Change what is given of the agent's pose."""
    asked = {axis: value for axis, value in (("x", x), ("y", y), ("z", z)) if value is not None}
    place = {"x": session.x, "y": CENTRE, "z": session.z, **(position or asked)}
    yaw = session.yaw if rotation is None else _yaw(rotation)
    horizon = session.horizon if horizon is None else horizon
    _teleport(session, place, yaw, horizon, standing, forceAction)


@action("TeleportFull", still=True)
def teleport_full(
    session: Session,
    *,
    rotation: Vector,
    horizon: float,
    position: Vector | None = None,
    standing: bool | None = None,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
    z: float | None = None,
) -> None:
    """Put the agent at a whole pose. `standing` must be given where a body crouches."""
    place = position or {axis: value for axis, value in (("x", x), ("y", y), ("z", z)) if value is not None}
    missing = ["position"] if set(place) != {"x", "y", "z"} else []
    if standing is None and session.settings.mode.crouches:
        missing.append("standing")
    if missing:
        raise missing_arguments("TeleportFull", missing)
    _teleport(session, place, _yaw(rotation), horizon, standing, forceAction)


def _yaw(rotation: Vector) -> float:
    if any(abs((rotation.get(axis, 0.0) + 180) % 360 - 180) > 0.01 for axis in ("x", "z")):
        raise ActionError(
            f"No agents currently can change in pitch or roll. So, you must set rotation(x=0, y=yaw, z=0). "
            f"You gave {shown(dict(rotation))}"
        )
    return rotation.get("y", 0.0)


def _teleport(
    session: Session, place: dict[str, float], yaw: float, horizon: float, standing: bool | None, force: bool
) -> None:
    mode = session.settings.mode
    if standing is not None and not mode.crouches:
        text = f"a {mode.name} neither crouches nor stands up: leave standing out"
        raise ActionError(text, INVALID_ARGUMENT)
    if not -mode.highest - _SLACK <= horizon <= mode.lowest + _SLACK:
        raise ActionError(
            f"Each horizon must be in [{-mode.highest:g}:{mode.lowest:g}]. You gave {horizon:g}."
        )
    if not force:
        refuse_place(session, place)
    if standing is None:
        standing = session.standing
    session.place_agent(x=place["x"], z=place["z"], yaw=yaw, horizon=horizon, standing=standing)


def refuse_place(session: Session, place: dict[str, float]) -> None:
    """Raise ActionError where the agent cannot stand."""
    target = np.array([place["x"], place["z"]])
    written = "({x:.4f}, {y:.4f}, {z:.4f})".format(**place)
    on_floor = session.simulator.on_floor(target)
    if not on_floor or abs(place["y"] - CENTRE) > _ANOTHER_FLOOR:
        raise ActionError(f"Teleport target position {written} is not on the floor of the scene")
    found = session.simulator.obstacles.touched(target)
    if found is not None:
        blocking = session.simulator.scene.things[found].id
        session.collided = (blocking,)
        raise ActionError(f"Teleport target position {written} is not free: it collides with {blocking}")
