"""What all tasks in the real AI2-THOR share: the Controller beside the embedded house.

Same spaces, same rules, same seeds. Unusual: the embedded house stands beside as the map. It draws start and
goal, and measures ways for SPL and for the expert; where the body is, what it sees and what is visible, the
Controller tells.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from envs.errors import EnvError
from envs.house.rendering import View
from envs.house.simulator import Stance
from envs.house.tasks.body import DOWN, LEFT, RIGHT, UP
from envs.house.tasks.navigation import NavigationEnv
from envs.procthor.ai2thor.player import Launch, Player

_CENTRE, _FAR = 0.95, 19.9
"""Height of an agent's position; beyond which a depth picture tells nothing."""
_SAME = 1e-4
"""Metres and radians within which two poses are one."""
_PACKED = np.array([1, 256, 65536])
_ACTIONS = {LEFT: "RotateLeft", RIGHT: "RotateRight", UP: "LookUp", DOWN: "LookDown"}


class Ai2thorEnv(NavigationEnv):
    """A task in AI2-THOR: derive from this, then from the task in the embedded house.

    Arguments:
        houses: a house file or a folder of them; Unity's player builds only those whose assets it has.
        executable: the command line of a player, such as "uio2 thor-player"; None for Unity's.
        platform, x_display, gpu_device, timeout, start_timeout: see Launch.
        arguments: see the task.
    """

    thor_reach: ClassVar[float]
    """Metres within which AI2-THOR calls things visible and lets them be handled."""
    abilities = frozenset({"state", "expert", "depth", "map"})
    reasons: ClassVar = {
        **NavigationEnv.reasons,
        "watch": "AI2-THOR draws pictures of one size: render() returns them; backend='house' can be watched",
    }

    def __init__(
        self,
        task: str,
        level: str | None = None,
        *,
        executable: str | None = None,
        platform: str | None = None,
        x_display: str | None = None,
        gpu_device: int | None = None,
        timeout: float = 60.0,
        start_timeout: float = 300.0,
        **arguments: Any,
    ) -> None:
        super().__init__(task, level, **arguments)
        for name, value in (("timeout", timeout), ("start_timeout", start_timeout)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise EnvError(f"{name}={value!r}: give a number of seconds")
        for name, value in (("executable", executable), ("x_display", x_display)):
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise EnvError(f"{name}={value!r}: give a text, or leave it out")
        body, size = self.body, self.camera.width
        self._player = Player(
            Launch(executable, platform, x_display, gpu_device, timeout, start_timeout),
            {
                "width": size,
                "height": size,
                "agentMode": "default",
                "gridSize": body.step,
                "snapToGrid": False,
                "rotateStepDegrees": body.turn,
                "visibilityDistance": self.thor_reach,
                "fieldOfView": body.vertical_fov,
                "renderDepthImage": True,
                "renderInstanceSegmentation": "segmentation" in self.sensors,
            },
        )
        self._event: Any = None

    def _put(self) -> bool:
        stance = self._simulator.stance
        pose = {
            "position": {"x": stance.x, "y": _CENTRE, "z": stance.y},
            "rotation": {"x": 0.0, "y": -math.degrees(stance.yaw) % 360, "z": 0.0},
            "horizon": round(-math.degrees(stance.pitch), 6),
            "standing": True,
        }
        self._event = self._player.enter(self._house.json, pose, self._told())
        if self._event is not None:
            self._follow()
        return self._event is not None

    @abstractmethod
    def _told(self) -> str | None:
        """The type of objects that metadata need tell of; None for all, where things are handled."""

    def _follow(self) -> None:
        """Put the embedded body where AI2-THOR's is; where both agree, it stays as it has moved itself."""
        agent, now = self._event.metadata["agent"], self._simulator.stance
        told = Stance(
            agent["position"]["x"],
            agent["position"]["z"],
            -math.radians(agent["rotation"]["y"]),
            -math.radians(agent["cameraHorizon"]),
            self.body.eye,
        )
        turned = math.remainder(told.yaw - now.yaw, 2 * math.pi)
        apart = (told.x - now.x, told.y - now.y, turned, told.pitch - now.pitch)
        if max(map(abs, apart)) > _SAME:
            self._simulator.stand(told)

    def _ahead(self) -> bool:
        super()._ahead()
        self._event = self._player.step("MoveAhead")
        self._follow()
        return not self._event

    def _turn(self, number: int) -> None:
        super()._turn(number)
        degrees = self.body.turn if number in (LEFT, RIGHT) else self.body.tilt
        self._event = self._player.step(_ACTIONS[number], degrees=degrees)
        self._follow()

    def _look(self, **pictures: bool) -> View:
        event = self._event
        depth, segmentation = None, None
        if pictures.get("depth"):
            depth = np.where(event.depth_frame < _FAR, event.depth_frame, np.float32(np.inf))
        if pictures.get("segmentation"):
            segmentation = self._places()
        return View(event.frame.copy(), depth, segmentation)

    def _places(self) -> np.ndarray:
        """The picture of instances, by their place in the embedded house; -1 for what is not there."""
        frame = self._event.instance_segmentation_frame.astype(np.int32)
        codes, inverse = np.unique(frame @ _PACKED, return_inverse=True)
        place = self._simulator.place
        known = {
            int(np.array(colour) @ _PACKED): place.get(id, -1)
            for id, colour in self._event.object_id_to_color.items()
            if "|" in id
        }
        places = np.array([known.get(int(code), -1) for code in codes], np.int32)
        return places[inverse].reshape(frame.shape[:2])

    def watch(
        self,
        callback: Callable[[np.ndarray], None] | None,
        height: int = 288,
        width: int = 512,
        every: int = 1,
    ) -> None:
        raise self._refusal("watch")

    def close(self) -> None:
        super().close()
        self._player.close()
