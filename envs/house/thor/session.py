"""One scene and one agent that acts in it by AI2-THOR's actions.

This module refuses to know how a Controller is talked to.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.house.navigation import Footprint
from envs.house.objects.sizes import AssetSizes
from envs.house.rendering import Camera
from envs.house.scene import Scene
from envs.house.schema.records import House
from envs.house.simulator import HouseSimulator, Stance
from envs.house.thor.agent import Agent, Outcome
from envs.house.thor.errors import INVALID_ARGUMENT, ActionError
from envs.house.thor.frames import wrapped
from envs.house.thor.looks import Looks
from envs.house.thor.registry import Action
from envs.house.thor.scenes import PROCEDURAL, scene_house, scene_names
from envs.house.thor.settings import CENTRE, CROUCH, FAR, Settings


@dataclass(frozen=True)
class ThirdPartyCamera:
    """A camera that stands in the scene, in Unity's frame."""

    position: Mapping[str, float]
    rotation: Mapping[str, float]
    fov: float = 90.0
    orthographic: bool = False
    orthographic_size: float = 5.0
    """Half the height of what an orthographic camera sees, metres."""


class Session(Agent):
    """A scene, an agent and what was done last.

    Arguments:
        width, height: of the pictures.
        sizes: boxes of assets, where a table of them is at hand.
    """

    def __init__(self, width: int = 300, height: int = 300, sizes: AssetSizes | None = None) -> None:
        settings = Settings()
        body = settings.mode.footprint
        super().__init__(HouseSimulator(Scene(()), body), settings, width, height)
        self.sizes = sizes or AssetSizes()
        self._standing: dict[bool, tuple[House | None, Footprint, HouseSimulator]] = {
            False: (None, body, self.simulator)
        }
        """What was built last with a house (True) and without: coming back to it costs nothing."""
        self.looks: Looks | None = None
        """How the scene looked before it was varied."""
        self.drawing = True
        """Whether the last action wants pictures."""
        self.reset(PROCEDURAL)
        self.outcome = Outcome()

    # scenes

    def reset(self, scene: str) -> None:
        """Go to a scene; everything that Initialize settled is as at first. ActionError for no scene."""
        if scene not in scene_names():
            raise ActionError(
                f"there is no scene {scene!r} here: Procedural, and house={{...}} to create in it, or one of "
                "FloorPlan1 … FloorPlan430 and FloorPlan_Train1_1 … FloorPlan_Val3_5",
                INVALID_ARGUMENT,
            )
        self.scene = scene
        self.settings = Settings()
        self.cameras: list[ThirdPartyCamera] = []
        self.shown: frozenset[str] | None = None
        """The objects that metadata are limited to; None for all."""
        self.random = np.random.default_rng(0)
        self.move_in(None if scene == PROCEDURAL else scene_house(scene))

    def move_in(self, house: House | None) -> None:
        """Put a house in the place of what stands; None for nothing. HouseError for one that cannot be built.

        The agent stands at the origin of a created house, as AI2-THOR leaves it, and at the start of a
        scene's own.
        """
        if self.looks is not None:
            self.looks.restore()
        self.simulator, self.house = self._build(house), house
        self.looks = None
        self.yaw, self.horizon, self.standing = 0.0, 0.0, True
        self.x, self.z = 0.0, 0.0
        if self.scene != PROCEDURAL and house is not None and house.start is not None:
            self.x, _, self.z = house.start.position
            self.yaw, self.horizon = house.start.yaw, min(house.start.horizon, self.settings.mode.lowest)
        self.told: Any = None
        """What objects.records keeps until something changes."""
        self.bounds = self.simulator.scene.bounds
        self.place_agent()

    def _build(self, house: House | None) -> HouseSimulator:
        body, key = self.settings.mode.footprint, house is not None
        last = self._standing.get(key)
        if last is not None and last[:2] == (house, body):
            last[2].restore()
            return last[2]
        if house is None:
            simulator = HouseSimulator(Scene(()), body)
        else:
            simulator = HouseSimulator.of_house(house, body, self.sizes)
        if last is not None:
            last[2].close()
        self._standing[key] = house, body, simulator
        return simulator

    def configure(self, settings: Settings) -> None:
        """Take new settings; a body of another size needs the house anew."""
        if settings.mode.footprint != self.settings.mode.footprint:
            self.settings = settings
            self.move_in(self.house)
        self.settings = settings
        self.place_agent(horizon=min(self.horizon, settings.mode.lowest), standing=True)

    # the agent

    @property
    def eye(self) -> float:
        """Height of the camera, metres."""
        return CENTRE + self.settings.eye - (0.0 if self.standing else CROUCH)

    def stance(self, **changed: float) -> Stance:
        """Return where the agent stands in the scene's frame, with x, z, yaw or horizon (degrees) changed."""
        at = {"x": self.x, "z": self.z, "yaw": self.yaw, "horizon": self.horizon, "eye": self.eye, **changed}
        return Stance(at["x"], at["z"], -math.radians(at["yaw"]), -math.radians(at["horizon"]), at["eye"])

    def place_agent(self, **changed: Any) -> None:
        """Put the agent at x, z, yaw, horizon, standing, those that are given."""
        for name, value in changed.items():
            setattr(self, name, value)
        self.yaw = wrapped(self.yaw)
        self.simulator.stand(self.stance())

    @property
    def camera(self) -> Camera:
        return Camera(self.width, self.height, self.settings.fov, far=2 * FAR)

    # acting

    def step(self, command: Mapping[str, Any]) -> Outcome:
        """Carry out one action, {"action": name, ...}, and return what became of it."""
        self.drawing = command.get("renderImage") is not False
        return super().step(command)

    def _carry_out(self, found: Action, command: Mapping[str, Any]) -> Any:
        if not found.still or self.simulator.held is not None:
            self.told = None
        return super()._carry_out(found, command)

    def close(self) -> None:
        """Give back what pictures cost."""
        for *_, simulator in self._standing.values():
            simulator.close()
