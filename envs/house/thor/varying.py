"""Actions that vary how a scene looks: the tint of its materials, and its light.

Unusual: AI2-THOR exchanges materials for others of its library; here each is tinted by chance, by the
session's own generator, so that the same actions give the same looks.
"""

import numpy as np

from envs.house.thor.errors import ActionError
from envs.house.thor.looks import Looks
from envs.house.thor.registry import action
from envs.house.thor.session import Session

_TINT, _LIGHT_TINT = 0.45, 0.2
"""How far a colour's shares may go from 1."""


@action("RandomizeMaterials", still=True)
def randomize_materials(
    session: Session,
    *,
    useTrainMaterials: bool | None = None,
    useValMaterials: bool | None = None,
    useTestMaterials: bool | None = None,
    useExternalMaterials: bool | None = None,
    inRoomTypes: list | None = None,
) -> dict[str, int]:
    """Tint every material. There are no sets of materials to choose among, and rooms share theirs."""
    if inRoomTypes:
        raise ActionError("inRoomTypes: rooms share their materials here; leave it out")
    looks = _looks(session)
    looks.tint_materials(session.random.uniform(1 - _TINT, 1 + _TINT, (looks.materials, 3)))
    return {"totalMaterialsConsidered": looks.materials}


@action("ResetMaterials", still=True)
def reset_materials(session: Session) -> None:
    """Give every material its own colour back."""
    looks = _looks(session)
    looks.tint_materials(np.ones((looks.materials, 3)))


@action("RandomizeLighting", still=True)
def randomize_lighting(
    session: Session,
    *,
    synchronized: bool = False,
    brightness: list | None = None,
    randomizeColor: bool = True,
    hue: list | None = None,
    saturation: list | None = None,
) -> None:
    """Make it lighter or darker by a share between those of `brightness`, and tint it a little."""
    low, high = _range("brightness", brightness or [0.5, 1.5], 100.0)
    most = _range("saturation", saturation or [0.5, 1.0], 1.0)[1]
    tint = 1 - _LIGHT_TINT * most * session.random.random(3) if randomizeColor else np.ones(3)
    _looks(session).tint_lights(tint * session.random.uniform(low, high))


@action("ResetLighting", still=True)
def reset_lighting(session: Session) -> None:
    """Give the scene its own light back."""
    _looks(session).tint_lights(np.ones(3))


def _looks(session: Session) -> Looks:
    if session.looks is None:
        session.looks = Looks(session.simulator.model)
    return session.looks


def _range(name: str, pair: list, most: float) -> tuple[float, float]:
    numbers = [each for each in pair if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(pair) != 2 or len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] <= most:
        raise ActionError(f"{name} is a pair of numbers, the lower first, from 0 to {most:g}; got {pair}")
    return numbers[0], numbers[1]
