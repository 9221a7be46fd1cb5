"""What a Controller is shown: colour, depth and segmentations of the agent's camera and of others."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.house.rendering import View, looking
from envs.house.scene import unity_rotation
from envs.house.thor.frames import point
from envs.house.thor.objects import told_as
from envs.house.thor.session import Session, ThirdPartyCamera
from envs.house.thor.settings import FAR, NEAR

_SPREAD = 0x9E3779
"""Odd, so that the numbers 1, 2, … times it are all different below 2²⁴: colours far apart."""
_CLASSES = 1 << 20
"""Numbers of types begin here, those of objects at 1."""


@dataclass(frozen=True)
class Picture:
    """What one camera sees; None for what was not asked for."""

    rgb: np.ndarray
    """uint8 (H, W, 3)"""
    depth: np.ndarray | None
    """float32 (H, W), normalised so that a Controller reads metres: metres over (far - near)."""
    instances: np.ndarray | None
    """uint8 (H, W, 3), a colour for each object"""
    classes: np.ndarray | None
    """uint8 (H, W, 3), a colour for each type"""


class Palette:
    """The colours of one scene's objects and types."""

    def __init__(self, session: Session) -> None:
        simulator = session.simulator
        self.simulator = simulator
        told = [told_as(session, place) for place in range(len(simulator.scene.things))]
        types = sorted({thing.type for thing in simulator.scene.things})
        first = {id: place for place, id in reversed(list(enumerate(told))) if id is not None}
        numbers = np.array([0] + [first[id] + 1 if id is not None else 0 for id in told])
        kinds = np.array([0] + [_CLASSES + types.index(thing.type) for thing in simulator.scene.things])
        self._instances, self._classes = _colours(numbers), _colours(kinds)
        of_id = {id: self._instances[place + 1].tolist() for id, place in first.items()}
        of_type = {
            thing.type: self._classes[place + 1].tolist()
            for place, thing in enumerate(simulator.scene.things)
        }
        self.table = [
            # a Controller groups instances by what stands before the first bar of an id, which need not be
            # the type: so each colour is told under its type first, and last what the type's own colour is
            *(
                {"name": simulator.scene.things[place].type, "color": of_id[id]}
                for id, place in first.items()
            ),
            *({"name": id, "color": colour} for id, colour in of_id.items()),
            *({"name": name, "color": colour} for name, colour in of_type.items()),
        ]
        """{name, color} of all, as metadata have them."""

    def instances(self, segmentation: np.ndarray) -> np.ndarray:
        return self._instances[segmentation + 1]

    def classes(self, segmentation: np.ndarray) -> np.ndarray:
        return self._classes[segmentation + 1]


def _colours(numbers: np.ndarray) -> np.ndarray:
    """Return a colour for each number below 2²⁴, uint8 (N, 3); black for 0."""
    codes = (numbers.astype(np.int64) * _SPREAD) & 0xFFFFFF
    return np.stack([codes & 255, codes >> 8 & 255, codes >> 16], -1).astype(np.uint8)


class Painter:
    """Draws what a session asks for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._palette: Palette | None = None

    @property
    def palette(self) -> Palette:
        """The colours of the house that stands now."""
        if self._palette is None or self._palette.simulator is not self._session.simulator:
            self._palette = Palette(self._session)
        return self._palette

    @property
    def table(self) -> list[dict[str, Any]] | None:
        """The colours to tell of, None where nothing is segmented."""
        settings = self._session.settings
        return self.palette.table if settings.instances or settings.classes else None

    def agent(self) -> Picture:
        """Draw what the agent sees."""
        session = self._session
        return self._picture(session.simulator.view(session.camera, **self._asked()))

    def third_party(self, camera: ThirdPartyCamera) -> Picture:
        """Draw what a camera beside the agent sees; one above the ceilings looks through them."""
        session = self._session
        axes = unity_rotation(tuple(camera.rotation[axis] for axis in ("x", "y", "z"))) @ looking(0.0, 0.0)
        lens = replace(session.camera, vertical_fov=camera.fov)
        position = point(camera.position)
        above = position[2] > session.simulator.scene.bounds[1][2]
        extent = 2 * camera.orthographic_size if camera.orthographic else None
        return self._picture(
            session.simulator.renderer.view(
                lens, position, axes, **self._asked(), ceilings=not above, extent=extent
            )
        )

    def _asked(self) -> dict[str, bool]:
        settings = self._session.settings
        return {"depth": settings.depth, "segmentation": settings.instances or settings.classes}

    def _picture(self, view: View) -> Picture:
        settings, seen = self._session.settings, view.segmentation
        return Picture(
            rgb=view.rgb,
            depth=None if view.depth is None else np.minimum(view.depth, FAR) / np.float32(FAR - NEAR),
            instances=self.palette.instances(seen) if settings.instances else None,
            classes=self.palette.classes(seen) if settings.classes else None,
        )
