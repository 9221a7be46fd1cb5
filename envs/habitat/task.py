"""What Habitat's navigation tasks share: episode files, and the simulators they are played in.

Without `episodes`, a seed is an episode in one of our houses. With them, it is one of the file's, by
remainder; its scene is a house file or boxes (backend "house"), or whatever habitat-sim opens.
"""

import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from envs.errors import EnvError, shown, unknown_name
from envs.floor_map import FloorMap
from envs.habitat.embedded import EmbeddedSimulator
from envs.habitat.episodes import PREFIX, Episode, read_episodes
from envs.habitat.habitat_sim import HabitatSim
from envs.habitat.place import MeshPlace
from envs.habitat.specs import AgentSpec, CameraSpec, rotation_of, yaw_of
from envs.habitat.suite import BACKENDS
from envs.house.schema import read_house
from envs.house.simulator import HouseSimulator, Stance
from envs.house.tasks import maps
from envs.house.tasks.body import AHEAD, DOWN, LEFT, RIGHT, UP
from envs.house.tasks.navigation import NavigationEnv

_MOVES = {AHEAD: "move_forward", LEFT: "turn_left", RIGHT: "turn_right", UP: "look_up", DOWN: "look_down"}
_NEAR_START = 0.1
"""Metres from a free place up to which an episode's start is one in our houses."""


class HabitatEnv(NavigationEnv):
    """A task of Habitat's.

    Arguments:
        backend: "house" or "habitat_sim".
        episodes: an episode file, .json.gz; the level is left aside then.
        scenes: the folder that its `scene_id`s start from; None looks beside the file, and in
            data/scene_datasets.
        gpu: the device of habitat-sim; None for the first, or software rendering where there is none.
        arguments: see NavigationEnv.
    """

    sliding: ClassVar[bool] = True
    _kept = (*NavigationEnv._kept, "_goals", "_file_episode")

    def __init__(
        self,
        task: str,
        level: str | None = None,
        backend: str = "house",
        episodes: str | None = None,
        scenes: str | None = None,
        gpu: int | None = None,
        **arguments: Any,
    ) -> None:
        if episodes is not None and arguments.get("sensors") is None:  # not every scene tells things apart
            arguments["sensors"] = [each for each in self.default_sensors if each != "segmentation"]
        super().__init__(task, level, **arguments)
        if backend not in BACKENDS:
            raise unknown_name("backend", backend, BACKENDS)
        if backend == "habitat_sim" and episodes is None:
            raise EnvError("backend='habitat_sim' plays episodes of a file: give episodes=FILE.json.gz")
        if episodes is not None and self._houses is not None:
            raise EnvError("an episode file names its scenes: give either episodes or houses")
        self.backend, self._file, self._scenes, self._gpu = backend, episodes, scenes, gpu
        self._episodes = None if episodes is None else read_episodes(episodes)
        for episode in self._episodes or ():
            self._check_episode(episode)
        self._file_episode: Episode | None = None
        self._goals: tuple = ()
        """Cells of a house's grid, or points on a mesh."""

    # what tasks say

    @abstractmethod
    def _check_episode(self, episode: Episode) -> None:
        """Raise EnvError for an episode of another task."""

    @abstractmethod
    def _goal_points(self, episode: Episode) -> list[tuple[float, float, float]]:
        """The points that the way to the goal is measured to, in Habitat's frame."""

    def _taken(self, episode: Episode) -> None:
        """Note what else an episode says."""

    def _goal_cells(self) -> list:
        return list(self._goals)

    # episodes of files

    def _place(self) -> None:
        if self._episodes is None:
            self._file_episode = None
            super()._place()
            return
        episode = self._episodes[self._seed % len(self._episodes)]
        self._file_episode = episode
        self._enter(episode)
        self._taken(episode)
        if not math.isfinite(self._distance()):
            raise self._bad(episode, "goals", "no way leads from the start to a goal")

    def _enter(self, episode: Episode) -> None:
        """Open an episode's scene and put the body at its start."""
        scene, dataset = self._scene(episode)
        points = self._goal_points(episode)
        if self.backend == "house" and not _is_boxes(scene):
            self._move_in(read_house(scene))
            self._start_in_house(episode)
            grid = self._simulator.grid
            cells = [grid.snap(flat(point), 0.5) for point in points]
            self._goals = tuple(sorted({cell for cell in cells if cell is not None}))
            if not self._goals:
                raise self._bad(episode, "goals", "none is near a place where the body can stand")
            return
        self._open(scene, dataset)
        if not self._simulator.simulator.is_navigable(episode.start_position):
            raise self._bad(episode, "start_position", "the body cannot stand there")
        self._simulator.put(episode.start_position, episode.start_rotation)
        self._goals = tuple(points)

    def _start_in_house(self, episode: Episode) -> None:
        x, y = flat(episode.start_position)
        if self._simulator.grid.snap((x, y), _NEAR_START) is None:
            raise self._bad(episode, "start_position", "the body cannot stand there")
        self._simulator.stand(Stance(x, y, yaw_of(episode.start_rotation), 0.0, self.body.eye))

    def _scene(self, episode: Episode) -> tuple[str, str | None]:
        """The scene's file, or its name in a data set, and that data set's file."""
        name = episode.scene_id.removeprefix(PREFIX)
        if self.backend == "habitat_sim" and episode.scene_dataset_config != "default":
            return episode.scene_id, episode.scene_dataset_config
        roots = (
            [Path(self._scenes)]
            if self._scenes is not None
            else [Path(self._file).parent, Path(PREFIX), Path()]
        )
        wanted = [".glb"] if self.backend == "habitat_sim" else [".json", ".json.gz"]
        for root in roots:
            for place in (root / name, *(_with_suffix(root / name, suffix) for suffix in wanted)):
                if place.is_file() and (place.suffix != ".glb" or self.backend == "habitat_sim"):
                    return str(place), None
        raise self._bad(
            episode,
            "scene_id",
            f"there is no {shown(name)} in {', '.join(str(root) or '.' for root in roots)}; give the folder "
            f"that scenes start from as scenes=, and for backend={self.backend!r} a {wanted[0]} file",
        )

    def _bad(self, episode: Episode, key: str, said: str) -> EnvError:
        self.in_episode = False
        value = shown(getattr(episode, key))
        return EnvError(
            f"{self._file}: episode {episode.episode_id}, {key}={value}: {said}; leave it out of the file"
        )

    def _open(self, scene: str, dataset: str | None = None) -> None:
        """Show a scene with a navigation mesh; what is open already stays."""
        place = self._simulator
        if isinstance(place, MeshPlace) and not place.simulator.closed:
            if place.scene != scene:
                place.simulator.load(scene)
                place.scene = scene
            return
        if place is not None:
            place.close()
        body, size = self.body, self.camera.height
        if "segmentation" in self.sensors:
            raise EnvError("only our own houses tell things apart: leave 'segmentation' out of sensors=")
        agent = AgentSpec(body.height, body.radius, body.step, body.turn, body.tilt, self.sliding)
        cameras = [
            CameraSpec(name, kind, size, size, body.vertical_fov, body.eye)
            for name, kind in (("rgb", "color"), ("depth", "depth"))
        ]
        if self.backend == "house":
            simulator = EmbeddedSimulator(scene, agent, cameras)
        else:
            simulator = HabitatSim(scene, agent, cameras, dataset=dataset, gpu=self._gpu)
        self._simulator, self._house = MeshPlace(simulator, scene), None

    # moves

    def _ahead(self) -> bool:
        if isinstance(self._simulator, MeshPlace):
            return self._simulator.simulator.act(_MOVES[AHEAD])
        return self._simulator.slide(self.body.step, self.sliding)

    def _turn(self, number: int) -> None:
        if not isinstance(self._simulator, MeshPlace):
            super()._turn(number)
            return
        if number in (UP, DOWN):
            low, high = self.body.pitch_limits
            tilt = math.degrees(self._simulator.stance.pitch) + self.body.tilt * (1 if number == UP else -1)
            if not low - 1e-3 <= tilt <= high + 1e-3:
                return
        self._simulator.simulator.act(_MOVES[number])

    def floor_map(self) -> FloorMap:
        place = self._simulator
        if not isinstance(place, MeshPlace):
            return super().floor_map()
        picture, low, scale = place.plan()
        frame = maps.frame_from(self._origin, low, (scale, scale), picture.shape[0])
        return FloorMap(picture, frame, maps.relative(self._origin, self._goal_spots()))

    # state

    def state(self) -> dict[str, Any]:
        if not isinstance(self._simulator, MeshPlace):
            return super().state()
        self._check_reset("state")
        return {
            "task": self.task_name,
            "scene": self._simulator.scene,
            "simulator": self._simulator.state(),
            "episode": {name: getattr(self, name) for name in self._kept},
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if "scene" not in state:
            if isinstance(self._simulator, MeshPlace):
                self._simulator.close()
                self._simulator = None
            return super().set_state(state)
        if state["task"] != self.task_name:
            raise EnvError(f"a state of task {state['task']!r} does not fit {self.task_name!r}")
        self._open(state["scene"])
        self._simulator.set_state(state["simulator"])
        for name, value in state["episode"].items():
            setattr(self, name, value)
        return self._observation(), self._info()

    def _move_in(self, house) -> None:
        if isinstance(self._simulator, MeshPlace):
            self._simulator.close()
            self._simulator = None
        super()._move_in(house)

    # what is returned

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        if self._file_episode is not None:
            info["episode_id"] = self._file_episode.episode_id
            info["scene_id"] = self._file_episode.scene_id
        return info

    def episode(self, episode_id: str, scene_id: str) -> Episode:
        """Return the episode of the last reset, as a file holds it."""
        self._check_reset("episode")
        start = self._origin
        return Episode(
            episode_id,
            scene_id,
            lifted(start.point, start.eye - self.body.eye),
            tuple(rotation_of(start.yaw).tolist()),
            info={"geodesic_distance": float(self._shortest)},
            **self._told(),
        )

    @abstractmethod
    def _told(self) -> dict[str, Any]:
        """The goals, category and its number of an Episode."""

    @property
    def house_json(self) -> Mapping[str, Any] | None:
        """The house of the last reset as its file holds it; None in other scenes."""
        return self._simulator.house.json if isinstance(self._simulator, HouseSimulator) else None


def flat(point) -> tuple[float, float]:
    """Habitat's point on the floor of our frame."""
    return float(point[0]), -float(point[2])


def lifted(point: np.ndarray, height: float = 0.0) -> tuple[float, float, float]:
    """A point on the floor of our frame, in Habitat's."""
    return float(point[0]), float(height), -float(point[1])


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name.partition(".")[0] + suffix)


def _is_boxes(path: str) -> bool:
    """Whether a file is a scene of boxes."""
    if not path.endswith(".json"):
        return False
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "boxes" in record
