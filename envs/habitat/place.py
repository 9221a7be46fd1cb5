"""A simulator with a navigation mesh, as navigation tasks see a house.

Frame: the tasks', metres, z up: Habitat's (x, y, z) is (x, -z) on the floor at height y. Yaw is the same.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs.habitat.simulator import Simulator
from envs.habitat.specs import rotation_of
from envs.house.rendering import Camera, View
from envs.house.simulator import Stance

Goal = tuple[float, float, float]
"""A point in Habitat's frame."""
_FINEST, _CELLS, _PIXELS = 0.1, 100, 4
"""Of a plan: least metres of a cell, most cells a side, and pixels a cell."""
_FLOOR, _OUTSIDE = (236, 236, 230), (150, 156, 164)


class MeshPlace:
    """One scene with the body in it. It is its own `grid`: ways run over the mesh.

    Arguments:
        simulator: with cameras named "rgb" and "depth".
        scene: what it shows, for states.
    """

    def __init__(self, simulator: Simulator, scene: str) -> None:
        self.simulator, self.scene = simulator, scene
        self.eye = simulator.cameras[0].eye
        self._plan: tuple[Any, tuple[np.ndarray, np.ndarray, float]] | None = None

    @property
    def grid(self) -> "MeshPlace":
        return self

    @property
    def stance(self) -> Stance:
        pose = self.simulator.pose()
        x, y, z = pose.position.tolist()
        return Stance(x, -z, pose.yaw, pose.pitch, y + self.eye)

    def put(self, position: Sequence[float], rotation: Sequence[float]) -> None:
        """Put the body somewhere in Habitat's frame, looking level."""
        self.simulator.stand(position, rotation)

    # ways

    def path(self, start: Sequence[float], goals: Sequence[Goal]) -> np.ndarray | None:
        """Return the corners (N, 2) of the shortest way to the nearest goal; None where there is none."""
        way = self.simulator.way(self._at(start), goals)
        return way.points[:, [0, 2]] * (1, -1) if math.isfinite(way.geodesic) else None

    def geodesic(self, start: Sequence[float], goals: Sequence[Goal]) -> float:
        """Return the length of that way, inf where there is none."""
        return self.simulator.way(self._at(start), goals).geodesic

    def way_blocked(self, start: np.ndarray, end: np.ndarray) -> int | None:
        """Return -1 where a straight move would be held up, None where not."""
        reached = self.simulator.try_step(self._at(start), self._at(end), False)
        return -1 if np.abs(reached - self._at(end))[[0, 2]].max() > 1e-3 else None

    def slid(self, stance: Stance, ahead: float) -> tuple[np.ndarray, bool]:
        """Return where a move leads from a stance, (2,), and whether it would be held up."""
        end = stance.point + ahead * stance.forward
        x, _, z = self.simulator.try_step(self._at(stance.point), self._at(end), self.simulator.agent.sliding)
        point = np.array([x, -z])
        return point, bool(np.abs(point - end).max() > 1e-3)

    def free(self, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return for straight moves from one point to many (N, 2) whether none is held up; bool (N,)."""
        return np.array([self.way_blocked(start, end) is None for end in ends], bool)

    def _at(self, point: Sequence[float]) -> Goal:
        return float(point[0]), float(self.simulator.pose().position[1]), -float(point[1])

    # sight

    def view(
        self, camera: Camera, *, rgb: bool = True, depth: bool = False, segmentation: bool = False
    ) -> View:
        """Return what the body sees, in the size of `camera`."""
        seen = self.simulator.observe()
        metres = seen["depth"]
        pictures = seen["rgb"], np.where(metres > 0, metres, np.float32(np.inf))
        picture, metres = (_sized(each, camera.height, camera.width) for each in pictures)
        return View(picture if rgb else None, metres if depth else None, None)

    def plan(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Return where the body can stand as a picture from above, uint8 (H, W, 3), its lower left corner
        (2,) and its pixels a metre.
        """
        height = float(self.simulator.pose().position[1])
        if self._plan is None or self._plan[0] != (self.scene, height):
            low, high = self.simulator.bounds()
            metres = max(_FINEST, float((high - low)[[0, 2]].max()) / _CELLS)
            free = self.simulator.topdown(metres, height)  # (z, x): z grows downwards in the picture
            picture = np.where(free[..., None], np.uint8(_FLOOR), np.uint8(_OUTSIDE))
            picture = picture.repeat(_PIXELS, 0).repeat(_PIXELS, 1)
            corner = np.array([low[0] - metres / 2, -low[2] - (free.shape[0] - 0.5) * metres])
            self._plan = (self.scene, height), (picture, corner, _PIXELS / metres)
        return self._plan[1]

    # state

    def state(self) -> dict[str, Any]:
        pose = self.simulator.pose()
        return {"position": pose.position.tolist(), "yaw": pose.yaw, "pitch": pose.pitch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.put(state["position"], rotation_of(state["yaw"]))
        looks = round(math.degrees(state["pitch"]) / self.simulator.agent.tilt)
        for _ in range(abs(looks)):
            self.simulator.act("look_up" if looks > 0 else "look_down")

    def close(self) -> None:
        self.simulator.close()


def _sized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a picture in another size: its middle, nearest pixels."""
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(picture.shape[0] / height, picture.shape[1] / width)
    rows, columns = (
        np.clip(((np.arange(side) - side / 2 + 0.5) * scale + whole / 2).astype(int), 0, whole - 1)
        for side, whole in zip((height, width), picture.shape[:2], strict=True)
    )
    return picture[np.ix_(rows, columns)]
