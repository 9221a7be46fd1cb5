"""Habitat's semantics on our own simulator: a box scene, its navigation mesh, and pictures by MuJoCo."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.habitat.box_scene import BoxScene, read_box_scene
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.pathfinder import PathFinder, Way
from envs.habitat.simulator import Pose, Simulator
from envs.habitat.specs import AgentSpec, CameraSpec
from envs.house.navigation import Footprint
from envs.house.rendering import Camera, looking
from envs.house.simulator import HouseSimulator

_ENOUGH = 1e-5
"""Squared metres that a move may lack without being a collision."""


class EmbeddedSimulator(Simulator):
    """A box scene with a body in it.

    Arguments:
        scene: boxes, or their file.
        agent, cameras: see Simulator.
        settings: of the navigation mesh; None for those of the body.
    """

    def __init__(
        self,
        scene: BoxScene | str | Path,
        agent: AgentSpec | None = None,
        cameras: Sequence[CameraSpec] = (CameraSpec(),),
        settings: NavMeshSettings | None = None,
    ) -> None:
        super().__init__(agent or AgentSpec(), cameras)
        self._settings = settings
        passes: dict[CameraSpec, dict[str, str]] = {}
        for camera in self.cameras:
            passes.setdefault(replace(camera, name="any", kind="color"), {})[camera.name] = camera.kind
        self._passes = tuple(passes.items())  # colour and depth through one lens are drawn at once
        self._drawn: HouseSimulator | None = None
        self.load(scene)

    def load(self, scene: BoxScene | str | Path) -> None:
        boxes, agent = scene if isinstance(scene, BoxScene) else read_box_scene(scene), self.agent
        settings = self._settings or NavMeshSettings(agent_height=agent.height, agent_radius=agent.radius)
        self.pathfinder = PathFinder.of_boxes(boxes.low, boxes.high, settings)
        self.close()
        self._drawn = HouseSimulator(boxes.scene(), Footprint(agent.radius, agent.height))
        self._at, self.closed = Pose(np.zeros(3)), False

    def _pose(self) -> Pose:
        return self._at

    def _stand(self, position: np.ndarray, yaw: float) -> None:
        self._at = Pose(position, yaw)

    def _act(self, move: str) -> bool:
        pose, turn, tilt = self._at, math.radians(self.agent.turn), math.radians(self.agent.tilt)
        if move in ("turn_left", "turn_right"):
            self._at = replace(pose, yaw=pose.yaw + (turn if move == "turn_left" else -turn))
        elif move in ("look_up", "look_down"):
            self._at = replace(pose, pitch=pose.pitch + (tilt if move == "look_up" else -tilt))
        else:
            ahead = self.agent.step if move == "move_forward" else -self.agent.step
            way = np.array([-math.sin(pose.yaw), 0.0, -math.cos(pose.yaw)]) * ahead
            wanted = pose.position + way
            place = self.pathfinder.try_step(pose.position, wanted, self.agent.sliding)
            self._at = replace(pose, position=place)
            return bool(((place - pose.position) ** 2).sum() + _ENOUGH < (way**2).sum())
        return False

    def _observe(self) -> dict[str, np.ndarray]:
        x, y, z = self._at.position
        axes = looking(self._at.yaw, self._at.pitch)
        found = {}
        for alike, names in self._passes:
            up = Camera.vertical(alike.hfov, alike.width, alike.height)
            lens = Camera(alike.width, alike.height, up, alike.near, alike.far)
            eye = np.array([x, -z, y + alike.eye])
            kinds = set(names.values())
            view = self._drawn.renderer.view(lens, eye, axes, rgb="color" in kinds, depth="depth" in kinds)
            for name, kind in names.items():
                deep = kind == "depth"
                found[name] = np.where(np.isfinite(view.depth), view.depth, 0) if deep else view.rgb.copy()
        return found

    def snap(self, point: Sequence[float]) -> np.ndarray:
        return self.pathfinder.snap(point)

    def is_navigable(self, point: Sequence[float], tolerance: float = 0.5) -> bool:
        return self.pathfinder.is_navigable(point, tolerance)

    def try_step(self, start: Sequence[float], end: Sequence[float], sliding: bool = True) -> np.ndarray:
        return self.pathfinder.try_step(start, end, sliding)

    def way(self, start: Sequence[float], goals: Sequence[Sequence[float]]) -> Way:
        return self.pathfinder.way(start, goals)

    def distance_to_obstacle(self, point: Sequence[float], reach: float = 2.0) -> float:
        return self.pathfinder.distance_to_obstacle(point, reach)[0]

    def random_point(self, rng: np.random.Generator) -> np.ndarray:
        return self.pathfinder.random_point(rng)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.pathfinder.bounds

    def _topdown(self, metres_per_pixel: float, height: float) -> np.ndarray:
        return self.pathfinder.topdown(metres_per_pixel, height)

    def close(self) -> None:
        super().close()
        if self._drawn is not None:
            self._drawn.close()
