"""What a Controller is told after an action: AI2-THOR's metadata."""

from typing import Any

import numpy as np

from envs.house.thor.frames import euler, vector, wrapped
from envs.house.thor.objects import records
from envs.house.thor.session import Session, ThirdPartyCamera
from envs.house.thor.settings import CENTRE

_ZERO = {"x": 0.0, "y": 0.0, "z": 0.0}
_NONE = {
    **dict.fromkeys(("arm", "colorBounds", "flatSurfacesOnGrid", "distances", "normals"), None),
    **dict.fromkeys(("isOpenableGrid", "segmentedObjectIds", "objectIdsInBox", "actionStringsReturn"), None),
    **dict.fromkeys(("actionFloatsReturn", "actionVector3sReturn", "reachablePositions"), None),
    **{"actionIntReturn": 0, "actionFloatReturn": 0.0},
    "visibleRange": None,
}
"""What is empty here, or what only old clients read."""


def state(session: Session, colours: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Return the whole state as plain data: one agent's metadata, the cameras, and the action's number.

    Arguments:
        colours: which colour each object has in segmentations, where there are any.
    """
    cameras = [_camera(number, camera) for number, camera in enumerate(session.cameras)]
    return {
        "agents": [agent_metadata(session, cameras, colours)],
        "thirdPartyCameras": cameras,
        "activeAgentId": 0,
        "sequenceId": session.outcome.sequence,
    }


def agent_metadata(
    session: Session, cameras: list[dict[str, Any]], colours: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """Return the metadata of the agent; the keys are AI2-THOR's."""
    outcome, simulator = session.outcome, session.simulator
    crouches = session.settings.mode.crouches
    held = simulator.held
    return {
        **_NONE,
        "objects": records(session),
        "agent": {
            "name": "agent",
            "position": {"x": session.x, "y": CENTRE, "z": session.z},
            "rotation": {"x": 0.0, "y": session.yaw, "z": 0.0},
            "cameraHorizon": session.horizon + 0.0,
            "isStanding": session.standing if crouches else None,
            "inHighFrictionArea": False,
        },
        "heldObjectPose": _held(session),
        "inventoryObjects": (
            [{"objectId": held, "objectType": simulator.thing(held).type}] if held is not None else []
        ),
        "sceneName": session.scene,
        "lastAction": outcome.action,
        "lastActionSuccess": outcome.success,
        "errorMessage": outcome.message,
        "errorCode": outcome.code,
        "actionReturn": outcome.returned,
        "collided": bool(outcome.collided),
        "collidedObjects": list(outcome.collided),
        "isSceneAtRest": True,
        "screenWidth": session.width,
        "screenHeight": session.height,
        "agentId": 0,
        "fov": session.settings.fov,
        "cameraOrthSize": -1.0,
        "currentTime": 0.0,
        "cameraPosition": {"x": session.x, "y": session.eye, "z": session.z},
        "sceneBounds": _bounds(session),
        "thirdPartyCameras": cameras,
        "colors": colours,
        "depthFormat": "Normalized",
    }


def _held(session: Session) -> dict[str, dict[str, float]]:
    """Where the hand is, in the scene and from the eye."""
    simulator = session.simulator
    if simulator.held is None:
        return {name: dict(_ZERO) for name in ("position", "rotation", "localPosition", "localRotation")}
    thing = simulator.now(simulator.held)
    local = np.array(thing.position) - simulator.stance.position
    forward = simulator.stance.forward
    right = np.array([forward[1], -forward[0]])
    turn = euler(thing.rotation)
    return {
        "position": vector(thing.position),
        "rotation": turn,
        "localPosition": vector((local[:2] @ right, local[:2] @ forward, local[2])),
        "localRotation": {**turn, "y": wrapped(turn["y"] - session.yaw)},
    }


def _bounds(session: Session) -> dict[str, Any]:
    low, high = session.bounds
    low, high = low[[0, 2, 1]], high[[0, 2, 1]]
    corners = [[x[0], y[1], z[2]] for x in (high, low) for y in (high, low) for z in (high, low)]
    axes = ("x", "y", "z")
    return {
        "cornerPoints": [[float(value) for value in corner] for corner in corners],
        "center": dict(zip(axes, ((low + high) / 2).tolist(), strict=True)),
        "size": dict(zip(axes, (high - low).tolist(), strict=True)),
    }


def _camera(number: int, camera: ThirdPartyCamera) -> dict[str, Any]:
    return {
        "thirdPartyCameraId": number,
        "position": dict(camera.position),
        "rotation": dict(camera.rotation),
        "fieldOfView": camera.fov,
    }
