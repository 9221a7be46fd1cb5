"""The simulator: configuration in, observations out."""

import math
from pathlib import Path

import numpy as np

from envs.habitat.box_scene import BoxScene, read_box_scene
from envs.house.rendering import Camera, looking
from envs.house.simulator import HouseSimulator

from .agent import Agent
from .configuration import CameraSensorSpec, Configuration, NavMeshSettings, SensorSubType, SensorType
from .nav import PathFinder


class Simulator:
    def __init__(self, config: Configuration) -> None:
        self._drawn: HouseSimulator | None = None
        self.agents: list[Agent] = []
        self._load(config)

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _load(self, config: Configuration) -> None:
        if not isinstance(config, Configuration):
            raise TypeError(f"config: {config!r}")
        if not config.agents:
            raise RuntimeError("Config has not agents specified.  Must specify at least 1 agent")
        (agent,) = config.agents
        specs = agent.sensor_specifications
        names = [spec.uuid for spec in specs]
        for spec in specs:
            if not isinstance(spec, CameraSensorSpec):
                raise TypeError(f"sensor: {spec!r}")
            spec.check()
        for name in names:
            assert names.count(name) == 1, f"Error, {name} already exists in the sensor suite"
        boxes = _boxes(config.sim_cfg.scene_id)
        self.close()
        self.config, self._boxes = config, boxes
        self.pathfinder = PathFinder()
        if boxes is not None and specs:
            settings = NavMeshSettings()
            settings.agent_height, settings.agent_radius = agent.height, agent.radius
            self.pathfinder._build(boxes, settings)
            self._drawn = HouseSimulator(boxes.scene())
        self.agents = [Agent(agent, self._step_filter)]
        if self.pathfinder.is_loaded:
            self.pathfinder.seed(config.sim_cfg.random_seed)
            self.agents[0]._position = self.pathfinder.get_random_navigable_point()

    def reconfigure(self, config: Configuration) -> None:
        self._load(config)

    def _step_filter(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        if not self.pathfinder.is_loaded:
            return end
        sliding = self.config.sim_cfg.allow_sliding
        step = self.pathfinder.try_step if sliding else self.pathfinder.try_step_no_sliding
        return step(start, end)

    def seed(self, seed: int) -> None:
        self.pathfinder.seed(seed)

    def get_agent(self, agent_id: int) -> Agent:
        return self.agents[agent_id]

    def step(self, action) -> dict:
        if not self.agents:
            raise IndexError("list index out of range")
        collided = self.agents[0].act(action)
        return {**self.get_sensor_observations(), "collided": collided}

    def get_sensor_observations(self) -> dict[str, np.ndarray]:
        agent = self.agents[0]
        return {spec.uuid: self._seen(spec, agent) for spec in agent.agent_config.sensor_specifications}

    def _seen(self, spec: CameraSensorSpec, agent: Agent) -> np.ndarray:
        height, width = map(int, spec.resolution)
        deep = spec.sensor_type is SensorType.DEPTH
        if spec.sensor_subtype is not SensorSubType.PINHOLE or not (
            deep or spec.sensor_type is SensorType.COLOR
        ):
            raise NotImplementedError(f"{spec.sensor_type}, {spec.sensor_subtype}")
        if self._drawn is None:
            return (
                np.zeros((height, width), "f4")
                if deep
                else np.tile(np.uint8([0, 0, 0, 255]), (height, width, 1))
            )
        lens = Camera(width, height, Camera.vertical(spec.hfov, width, height), spec.near, spec.far)
        x, y, z = agent._position.astype(float) + spec.position
        view = self._drawn.renderer.view(
            lens, np.array([x, -z, y]), looking(agent._yaw, agent._pitch), rgb=not deep, depth=deep
        )
        if deep:
            return np.where(np.isfinite(view.depth), view.depth, np.float32(0))
        return np.concatenate([view.rgb, np.full((height, width, 1), 255, np.uint8)], -1)

    def recompute_navmesh(self, pathfinder: PathFinder, settings: NavMeshSettings) -> bool:
        if not isinstance(settings, NavMeshSettings) or not isinstance(pathfinder, PathFinder):
            raise TypeError(f"recompute_navmesh(): incompatible function arguments: {settings!r}")
        assert self._boxes is not None, "ESP_CHECK failed: ::recomputeNavMesh: non-existent mesh"
        assert self._drawn is not None, "ESP_CHECK failed: ::recomputeNavMesh: createRenderer is false"
        if not all(math.isfinite(getattr(settings, name)) for name in ("cell_size", "agent_radius")):
            return False
        return pathfinder._build(self._boxes, settings)

    def close(self) -> None:
        if self._drawn is not None:
            self._drawn.close()
            self._drawn = None
        self.agents = []


def _boxes(scene_id: str) -> BoxScene | None:
    """The boxes beside a stage: `house.glb` is made of those of `house.json`."""
    if scene_id == "NONE":
        return None
    path = Path(scene_id)
    assert path.is_file(), (
        "ESP_CHECK failed: Missing (at least) one of scene dataset attributes, stage attributes, or dataset "
        f"scene attributes for scene '{scene_id}'.  Likely an invalid scene name."
    )
    return read_box_scene(path.with_suffix(".json"))
