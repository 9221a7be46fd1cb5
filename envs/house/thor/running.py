"""Actions that begin scenes, settle how they are played, and choose what is told of them."""

import copy
import sys
from typing import Any

from envs.house.schema import parse_house
from envs.house.thor.errors import INVALID_ARGUMENT, ActionError
from envs.house.thor.registry import action
from envs.house.thor.scenes import PROCEDURAL, scene_names
from envs.house.thor.session import Session
from envs.house.thor.settings import FAR, MODES, MOST_PIXELS, NEAR, Settings

_AS_IT_IS = frozenset(
    {
        *("makeAgentsVisible", "fastActionEmit", "visibilityScheme", "applyActionNoise", "sceneName"),
        *("alwaysReturnVisibleRange", "renderImage", "autoSimulation", "simplifyPhysics", "agentCount"),
        *("renderClassImage", "renderObjectImage", "renderNormalsImage", "renderFlowImage"),
    }
)
"""Of Initialize: what changes nothing here, or what only one value of is understood."""


@action("Initialize")
def initialize(
    session: Session,
    *,
    gridSize: float = 0.25,
    rotateStepDegrees: float = 90.0,
    visibilityDistance: float = 1.5,
    fieldOfView: float | None = None,
    snapToGrid: bool = True,
    agentMode: str = "default",
    agentCount: int = 1,
    cameraY: float | None = None,
    renderDepthImage: bool = False,
    renderInstanceSegmentation: bool = False,
    renderSemanticSegmentation: bool = False,
    renderNormalsImage: bool = False,
    renderFlowImage: bool = False,
    applyActionNoise: bool = True,
    movementGaussianMu: float = 0.0,
    movementGaussianSigma: float = 0.0,
    rotateGaussianMu: float = 0.0,
    rotateGaussianSigma: float = 0.0,
    **others: Any,
) -> dict[str, float]:
    """Settle the body and its lens. Like AI2-THOR's it takes any further name; those it does not know it
    says in its log.
    """
    mode = MODES.get(agentMode.lower())
    if mode is None:
        raise ActionError(f"agentMode {agentMode!r} is not here: choose one of {', '.join(MODES)}")
    if agentCount != 1:
        raise ActionError(f"agentCount={agentCount}: one agent plays here")
    if renderNormalsImage or renderFlowImage:
        raise ActionError("pictures of normals and of flow are not drawn here: leave them out")
    for name, value in (
        ("gridSize", gridSize),
        ("rotateStepDegrees", rotateStepDegrees),
        ("visibilityDistance", visibilityDistance),
    ):
        if value <= 0:
            raise ActionError(f"{name} must be positive; got {value}")
    if fieldOfView is not None and not 0 < fieldOfView < 180:
        raise ActionError(f"fov must be set to (0, 180) noninclusive; got {fieldOfView}")
    if unknown := sorted(set(others) - _AS_IT_IS):
        print(f"Initialize: {', '.join(unknown)} change nothing here", file=sys.stderr, flush=True)
    noise = applyActionNoise
    session.configure(
        Settings(
            mode=mode,
            eye=mode.eye if cameraY is None else cameraY,
            grid=gridSize,
            turn=rotateStepDegrees,
            reach=visibilityDistance,
            fov=mode.fov if fieldOfView is None else fieldOfView,
            snap=snapToGrid,
            depth=renderDepthImage,
            instances=renderInstanceSegmentation,
            classes=renderSemanticSegmentation,
            move_noise=(movementGaussianMu, movementGaussianSigma) if noise else (0.0, 0.0),
            turn_noise=(rotateGaussianMu, rotateGaussianSigma) if noise else (0.0, 0.0),
        )
    )
    return {"cameraNearPlane": NEAR, "cameraFarPlane": FAR}


@action("Reset")
def reset(session: Session, *, sceneName: str) -> None:
    """Go to a scene as it is at first."""
    session.reset(sceneName)


@action("CreateHouse")
def create_house(session: Session, *, house: dict) -> None:
    """Build a house of ProcTHOR's schema where Procedural is empty."""
    if session.scene != PROCEDURAL:
        raise ActionError(f"a house is created in the scene {PROCEDURAL}, and this is {session.scene}")
    try:
        read = parse_house(copy.deepcopy(house), "CreateHouse", box_size=session.sizes.box)
    except RecursionError as error:
        raise ActionError("CreateHouse: a house is not nested that deeply") from error
    session.move_in(read)


@action("DestroyHouse")
def destroy_house(session: Session) -> None:
    """Leave Procedural empty."""
    session.move_in(None)


@action("GetScenesInBuild", still=True)
def scenes_in_build(session: Session) -> list[str]:
    """Name every scene."""
    return list(scene_names())


@action("ChangeResolution", still=True)
def change_resolution(session: Session, *, x: float, y: float) -> None:
    """Make pictures of another size."""
    if not (1 <= x <= MOST_PIXELS and 1 <= y <= MOST_PIXELS):
        raise ActionError(
            f"pictures have 1 to {MOST_PIXELS} pixels a side; got {x:g} x {y:g}", INVALID_ARGUMENT
        )
    session.width, session.height = int(x), int(y)


@action("ChangeQuality", still=True)
def change_quality(session: Session, *, quality: str) -> None:
    """There is one quality here."""


@action("SetObjectFilter", still=True)
def set_object_filter(session: Session, *, objectIds: list) -> None:
    """Tell of these objects only."""
    session.shown = frozenset(map(str, objectIds))


@action("ResetObjectFilter", still=True)
def reset_object_filter(session: Session) -> None:
    """Tell of all objects."""
    session.shown = None


@action("Pass", "Done", "Noop", still=True)
def nothing(session: Session) -> None:
    """Let a step pass."""
