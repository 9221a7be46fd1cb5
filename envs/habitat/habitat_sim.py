"""Habitat's semantics on the real habitat-sim, where it is installed.

Unusual: it can end the process instead of raising, so a scene of nothing is opened in a process of its own
first, and arguments are checked before they get there. Only what versions 0.2.2 to 0.3.4 share is used;
versions are never asked for, because 0.3.4 still calls itself 0.3.3.
"""

import functools
import glob
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import EnvError
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.pathfinder import Way
from envs.habitat.simulator import Pose, Simulator
from envs.habitat.specs import AgentSpec, CameraSpec, checked_point

_INSTALL = (
    "habitat-sim is not installed in this Python ({reason}). It comes by conda: `conda install habitat-sim "
    "withbullet headless -c conda-forge -c aihabitat` for Python 3.9, or with `-c aihabitat-nightly` for "
    "3.10 and 3.11. backend='house' needs none of it"
)
_PROBE = """
import habitat_sim
camera = habitat_sim.CameraSensorSpec()
camera.uuid, camera.resolution = "probe", [8, 8]
config = habitat_sim.SimulatorConfiguration()
config.scene_id, config.gpu_device_id = "NONE", {gpu}
agent = habitat_sim.agent.AgentConfiguration(sensor_specifications=[camera])
with habitat_sim.Simulator(habitat_sim.Configuration(config, [agent])) as simulator:
    assert simulator.get_sensor_observations()["probe"].shape == (8, 8, 4)
"""
_PROBE_SECONDS = 120
_AMOUNTS = {"move_forward": "step", "move_backward": "step", "look_up": "tilt", "look_down": "tilt"}


class HabitatSim(Simulator):
    """A scene of habitat-sim's with a body in it. One at a time in a process.

    Arguments:
        scene: a file that habitat-sim opens, such as .glb, or a name in `dataset`.
        agent, cameras: see Simulator.
        settings: of the navigation mesh; None for those of the body, or the mesh beside the scene.
        dataset: a scene dataset's configuration file; None for none.
        gpu: the CUDA device; None for the first, or -1, software rendering, where there is none.
    """

    def __init__(
        self,
        scene: str | Path,
        agent: AgentSpec | None = None,
        cameras: Sequence[CameraSpec] = (CameraSpec(),),
        settings: NavMeshSettings | None = None,
        *,
        dataset: str | None = None,
        gpu: int | None = None,
    ) -> None:
        super().__init__(agent or AgentSpec(), cameras)
        self._settings, self._dataset = settings, dataset
        self._gpu = default_device() if gpu is None else gpu
        self._library = _imported()
        _probe(self._gpu)
        self._sim: Any = None
        self._seen: dict[str, np.ndarray] | None = None
        self.load(scene)

    def load(self, scene: str | Path) -> None:
        if self._dataset is None and not Path(scene).is_file():
            raise EnvError(
                f"scene {str(scene)!r}: there is no such file; give its path, or dataset= the configuration "
                "of the scene dataset that it is a name of"
            )
        config = self._configuration(str(scene))
        try:
            if self._sim is None:
                self._sim = self._library.Simulator(config)
            else:
                self._sim.reconfigure(config)
        except Exception as error:
            self.close()
            raise EnvError(f"habitat-sim cannot open the scene {str(scene)!r}: {error}") from error
        self.closed, self._seen = False, None
        if self._settings is not None or not self._sim.pathfinder.is_loaded:
            self._make_mesh(self._settings or self._own_settings())

    def _configuration(self, scene: str) -> Any:
        library, agent = self._library, self.agent
        config = library.SimulatorConfiguration()
        config.scene_id, config.gpu_device_id = scene, self._gpu
        config.allow_sliding = agent.sliding
        if self._dataset is not None:
            config.scene_dataset_config_file = self._dataset
        body = library.agent.AgentConfiguration(
            height=agent.height,
            radius=agent.radius,
            sensor_specifications=[self._sensor(camera) for camera in self.cameras],
            action_space={
                move: library.agent.ActionSpec(
                    move, library.agent.ActuationSpec(getattr(agent, _AMOUNTS.get(move, "turn")))
                )
                for move in (*_AMOUNTS, "turn_left", "turn_right")
            },
        )
        return library.Configuration(config, [body])

    def _sensor(self, camera: CameraSpec) -> Any:
        sensor = self._library.CameraSensorSpec()
        sensor.uuid = camera.name
        sensor.sensor_type = getattr(self._library.SensorType, camera.kind.upper())
        sensor.sensor_subtype = self._library.SensorSubType.PINHOLE
        sensor.resolution = [camera.height, camera.width]
        sensor.position = [0.0, camera.eye, 0.0]
        sensor.hfov, sensor.near, sensor.far = camera.hfov, camera.near, camera.far
        return sensor

    def _own_settings(self) -> NavMeshSettings:
        return NavMeshSettings(agent_height=self.agent.height, agent_radius=self.agent.radius)

    def _make_mesh(self, settings: NavMeshSettings) -> None:
        asked = self._library.NavMeshSettings()
        asked.set_defaults()
        for name, value in vars(settings).items():
            setattr(asked, name, value)
        if not self._sim.recompute_navmesh(self._sim.pathfinder, asked):
            raise EnvError(
                f"habitat-sim found no floor for a body of radius {settings.agent_radius:g} m and height "
                f"{settings.agent_height:g} m: give a smaller one, or another scene"
            )

    def _pose(self) -> Pose:
        state = self._sim.get_agent(0).get_state()
        body, lens = state.rotation, state.sensor_states[self.cameras[0].name].rotation
        up = body.w * lens.x - body.x * lens.w - body.y * lens.z + body.z * lens.y  # of lens seen from body
        level = body.w * lens.w + body.x * lens.x + body.y * lens.y + body.z * lens.z
        yaw = 2 * math.atan2(body.y, body.w)
        return Pose(np.asarray(state.position, float), yaw, 2 * math.atan2(up, level))

    def _stand(self, position: np.ndarray, yaw: float) -> None:
        state = self._library.AgentState()
        state.position = position.astype(np.float32)
        state.rotation = Pose(position, yaw).rotation.tolist()
        self._sim.get_agent(0).set_state(state)
        self._seen = None

    def _act(self, move: str) -> bool:
        seen = dict(self._sim.step(move))
        collided = bool(seen.pop("collided"))
        self._seen = seen
        return collided

    def _observe(self) -> dict[str, np.ndarray]:
        if self._seen is None:
            self._seen = self._sim.get_sensor_observations()
        found = {}
        for camera in self.cameras:
            picture = self._seen[camera.name]
            found[camera.name] = np.array(picture[..., :3] if camera.kind == "color" else picture)
        return found

    @property
    def _paths(self) -> Any:
        """The path finder. Asked anything without a mesh, it would end the process."""
        self._check_open()
        if not self._sim.pathfinder.is_loaded:
            raise EnvError("the scene has no navigation mesh: give NavMeshSettings, or a scene with a floor")
        return self._sim.pathfinder

    def snap(self, point: Sequence[float]) -> np.ndarray:
        return np.array(self._paths.snap_point(_single(point)), float)

    def is_navigable(self, point: Sequence[float], tolerance: float = 0.5) -> bool:
        return bool(self._paths.is_navigable(_single(point), tolerance))

    def try_step(self, start: Sequence[float], end: Sequence[float], sliding: bool = True) -> np.ndarray:
        step = self._paths.try_step if sliding else self._paths.try_step_no_sliding
        return np.array(step(_single(start), _single(end)), float)

    def way(self, start: Sequence[float], goals: Sequence[Sequence[float]]) -> Way:
        asked = self._library.MultiGoalShortestPath()
        asked.requested_start = _single(start)
        asked.requested_ends = [_single(goal) for goal in goals]
        self._paths.find_path(asked)
        points = np.array(asked.points, float).reshape(-1, 3)
        return Way(float(asked.geodesic_distance), points)

    def distance_to_obstacle(self, point: Sequence[float], reach: float = 2.0) -> float:
        return float(self._paths.distance_to_closest_obstacle(_single(point), reach))

    def random_point(self, rng: np.random.Generator) -> np.ndarray:
        self._paths.seed(int(rng.integers(1, 2**31 - 1)))
        return np.array(self._paths.get_random_navigable_point(), float)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._paths.get_bounds()
        return np.array(low), np.array(high)

    def _topdown(self, metres_per_pixel: float, height: float) -> np.ndarray:
        return np.array(self._paths.get_topdown_view(metres_per_pixel, height), bool)

    def close(self) -> None:
        super().close()
        if self._sim is not None:
            self._sim.close()
            self._sim = None


def _single(point: Sequence[float]) -> np.ndarray:
    return checked_point(point).astype(np.float32)


def default_device() -> int:
    """Return the first CUDA device, or -1 where this machine shows none."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return 0 if glob.glob("/dev/nvidia[0-9]*") and not hidden else -1


def _imported() -> Any:
    os.environ.setdefault("MAGNUM_LOG", "quiet")
    os.environ.setdefault("HABITAT_SIM_LOG", "quiet")
    try:
        import habitat_sim
    except ImportError as error:
        raise EnvError(_INSTALL.format(reason=error)) from error
    return habitat_sim


@functools.cache
def _probe(gpu: int) -> None:
    """Open a scene of nothing in another process. Raises EnvError where that process dies."""
    path = os.pathsep.join(place for place in sys.path if place)
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE.format(gpu=gpu)],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            env={**os.environ, "PYTHONPATH": path},
        )
        said, fine = (tried.stderr + tried.stdout).strip().splitlines(), tried.returncode == 0
    except subprocess.TimeoutExpired:
        said, fine = [f"no answer within {_PROBE_SECONDS} s"], False
    if not fine:
        raise EnvError(
            f"habitat-sim cannot draw here with gpu={gpu} ({said[-1] if said else 'it died silently'}): "
            "gpu=-1 draws without CUDA and needs `apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri`; "
            "with an NVIDIA card its EGL library must be the one in use. backend='house' needs no habitat-sim"
        )
