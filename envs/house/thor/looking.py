"""Actions that ask what is where in sight, and cameras beside the agent's."""

import itertools
from typing import Any

import numpy as np

from envs.house.sight import box_points, visible
from envs.house.thor.errors import ActionError
from envs.house.thor.frames import point, vector
from envs.house.thor.objects import find_object, object_in_frame, ray_of, target, told_as
from envs.house.thor.registry import Vector, action
from envs.house.thor.routes import reachable
from envs.house.thor.session import Session, ThirdPartyCamera
from envs.house.thor.settings import CENTRE, CROUCH

_AXES = ("x", "y", "z")
_SIDE = 0.2
"""Of the border around a map, as a share of the house."""


@action("GetObjectInFrame", still=True)
def get_object_in_frame(session: Session, *, x: float, y: float, checkVisible: bool = False) -> str | None:
    """Return the id of what is at a place in the picture, from its upper left corner, 0 to 1."""
    found = object_in_frame(session, x, y)
    if found is not None and checkVisible:
        target(session, "GetObjectInFrame", found)
    return found


@action("GetCoordinateFromRaycast", still=True)
def coordinate_from_raycast(session: Session, *, x: float, y: float) -> dict[str, float]:
    """Return the point that is at a place in the picture."""
    eye, end = ray_of(session, x, y)
    met, far = session.simulator.ray(eye, end)
    if met is None:
        raise ActionError(f"nothing is at ({x:g}, {y:g}) in the picture")
    return vector(eye + (end - eye) * far / np.linalg.norm(end - eye))


@action("PerformRaycast", still=True)
def perform_raycast(session: Session, *, origin: Vector, destination: Vector) -> dict[str, Any]:
    """Return what a straight line meets first."""
    start, end = _whole(origin, "origin"), _whole(destination, "destination")
    met, far = session.simulator.ray(start, end)
    if met is None:
        raise ActionError("Raycast from origin to destination did not hit any object")
    way = end - start
    return {
        "objectId": told_as(session, met) or "",
        "point": vector(start + way * far / np.linalg.norm(way)),
        "hitDistance": far,
    }


@action("GetVisibilityPoints", still=True)
def visibility_points(session: Session, *, objectId: str) -> list[dict[str, float]]:
    """Return points in and on an object's box."""
    return [vector(each) for each in box_points(session.simulator, find_object(session, objectId).id)]


@action("GetInteractablePoses", still=True)
def interactable_poses(
    session: Session,
    *,
    objectId: str,
    positions: list | None = None,
    rotations: list | None = None,
    horizons: list | None = None,
    standings: list | None = None,
    maxDistance: float | None = None,
    maxPoses: int = 10**9,
) -> list[dict[str, Any]]:
    """Return poses {x, y, z, rotation, horizon, standing} from which an object is visible."""
    id, settings = find_object(session, objectId).id, session.settings
    reach = settings.reach if maxDistance is None else maxDistance
    if positions is None:
        positions = reachable(session)
    places = [(float(each["x"]), float(each["z"])) for each in positions]
    if rotations is None:
        rotations = np.arange(0.0, 360.0, settings.turn)
    if horizons is None:
        horizons = np.arange(-settings.mode.highest, settings.mode.lowest + 1, 30.0)
    if standings is None:
        standings = [True, False] if settings.mode.crouches else [True]
    low, high = session.simulator.box(id)
    found = []
    for x, z in places:
        gap = np.maximum(np.maximum(low[:2] - (x, z), (x, z) - high[:2]), 0)
        if np.hypot(*gap) > reach:
            continue
        for yaw, horizon, standing in itertools.product(rotations, horizons, standings):
            eye = CENTRE + settings.eye - (0.0 if standing else CROUCH)
            stance = session.stance(x=x, z=z, yaw=float(yaw), horizon=float(horizon), eye=eye)
            aspect = session.width / session.height
            if visible(session.simulator, id, stance, reach=reach, vertical_fov=settings.fov, aspect=aspect):
                found.append(
                    {
                        **{"x": x, "y": CENTRE, "z": z, "rotation": float(yaw)},
                        **{"horizon": float(horizon), "standing": bool(standing)},
                    }
                )
                if len(found) >= maxPoses:
                    return found
    return found


@action("AddThirdPartyCamera", still=True)
def add_third_party_camera(
    session: Session,
    *,
    position: Vector,
    rotation: Vector,
    fieldOfView: float = 90.0,
    orthographic: bool = False,
    orthographicSize: float = 5.0,
    skyboxColor: str | None = None,
) -> None:
    """Stand a camera in the scene; its pictures come with every step. The sky keeps its colour."""
    session.cameras.append(
        _camera(ThirdPartyCamera({}, {}), position, rotation, fieldOfView, orthographic, orthographicSize)
    )


@action("UpdateThirdPartyCamera", still=True)
def update_third_party_camera(
    session: Session,
    *,
    thirdPartyCameraId: int = 0,
    position: Vector | None = None,
    rotation: Vector | None = None,
    fieldOfView: float | None = None,
    orthographic: bool | None = None,
    orthographicSize: float | None = None,
    skyboxColor: str | None = None,
) -> None:
    """Change what is given of a camera."""
    if not 0 <= thirdPartyCameraId < len(session.cameras):
        count = len(session.cameras)
        raise ActionError(f"thirdPartyCameraId {thirdPartyCameraId}: there are {count} cameras, from 0")
    session.cameras[thirdPartyCameraId] = _camera(
        session.cameras[thirdPartyCameraId], position, rotation, fieldOfView, orthographic, orthographicSize
    )


@action("GetMapViewCameraProperties", still=True)
def map_view(session: Session) -> dict[str, Any]:
    """Return the arguments of a camera that looks down upon the whole scene."""
    low, high = session.simulator.scene.bounds
    middle, size = (low + high) / 2, high - low
    shape = session.width / session.height
    return {
        "position": {"x": float(middle[0]), "y": float(high[2]) + 1.0, "z": float(middle[1])},
        "rotation": {"x": 90.0, "y": 0.0, "z": 0.0},
        "orthographic": True,
        "orthographicSize": float(max(size[1], size[0] / shape, 1.0) / 2 * (1 + _SIDE)),
    }


def _camera(
    before: ThirdPartyCamera,
    position: Vector | None,
    rotation: Vector | None,
    fov: float | None,
    orthographic: bool | None,
    size: float | None,
) -> ThirdPartyCamera:
    if fov is not None and not 0 < fov < 180:
        raise ActionError(f"fov must be set to (0, 180) noninclusive; got {fov:g}")
    if size is not None and size <= 0:
        raise ActionError(f"orthographicSize must be positive; got {size:g}")
    zero = dict.fromkeys(_AXES, 0.0)
    return ThirdPartyCamera(
        {**zero, **before.position, **(position or {})},
        {**zero, **before.rotation, **(rotation or {})},
        before.fov if fov is None else fov,
        before.orthographic if orthographic is None else orthographic,
        before.orthographic_size if size is None else size,
    )


def _whole(position: Vector, name: str) -> np.ndarray:
    if set(position) != set(_AXES):
        raise ActionError(f"{name} needs x, y and z; got {dict(position)}")
    return point(position)
