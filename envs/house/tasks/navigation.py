"""The environment that all navigation tasks share: a body with a camera in the embedded house.

An action is one of `ACTIONS`, by number. Observations hold what the body sees and where it is relative to
where it began; what a task is about, its subclass says.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import gymnasium
import numpy as np

from envs.assets import PromptAssets
from envs.base import SimulatorEnv
from envs.errors import EnvError, SpawnError, shown, unknown_name
from envs.floor_map import FloorMap
from envs.house.ground import wrapped
from envs.house.navigation import Footprint
from envs.house.rendering import Camera, View
from envs.house.schema import House, parse_house
from envs.house.simulator import HouseSimulator, Stance
from envs.house.tasks import houses as house_sources
from envs.house.tasks import maps, metrics, sensing
from envs.house.tasks.body import ACTIONS, AHEAD, LEFT, RIGHT, STOP, UP, Body
from envs.house.tasks.egomap import EgoMap
from envs.house.tasks.experts import Experts
from envs.house.tasks.levels import EXPERT_STYLES, EXPLORER, INFORMED, LEVELS
from envs.house.tasks.way import way, waypoint
from envs.inputs import whole_number
from envs.memory import give_back
from envs.suites import canonical_level

_TRIES = 20


class NavigationEnv(Experts, SimulatorEnv):
    """Find the way in a house.

    Arguments:
        task: the suite's task.
        level: "small", "medium" or "large" houses; None for any.
        houses: a house file, a folder of them, or "procthor-10k" with or without ":SPLIT"; None for
            generated ones.
        size: side of the square pictures, pixels.
        sensors: what there is besides colour, any of "depth", "segmentation", "map" and "route". Depth comes
            as `observation["depth"]["front"]`, float32 (H, W) in metres along the optical axis, at most
            `farthest_m`. Segmentation comes as `observation["segm"]["front"]`, int32 (H, W), and
            `info["objects"]` tells of the things in sight whose ids it holds. The map is the picture
            `observation["map"]`, uint8 (3, 64, 64), of what the body has measured so far, and with
            segmentation of where it saw what it looks for (`envs.house.tasks.egomap`). With "route" it shows
            the way through it (`envs.house.tasks.way`), `observation["waypoint"]` is the next corner of the
            way, metres and radians to the left, and `observation["in_sight"]` is 1 while segmentation shows
            what it looks for. None takes the task's `default_sensors`.
        expert_style: "informed", which knows the house and goes the shortest way, or "explorer", which knows
            what the map shows until it is near the goal, or has seen it (`envs.house.experts.explorer`).
    """

    embodiment = "navigation"
    abilities = frozenset({"state", "watch", "expert", "depth", "map"})
    reasons: ClassVar = {"objects": "a house's objects stand where its file says: use houses= for your own"}
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 5}
    task: ClassVar[str]
    """What the suite calls it."""
    expert_styles: ClassVar[tuple[str, ...]] = EXPERT_STYLES
    body = Body()
    max_steps = 500
    default_sensors: ClassVar[tuple[str, ...]] = ("depth", "map")

    def __init__(
        self,
        task: str,
        level: str | None = None,
        houses: str | None = None,
        size: int = 224,
        sensors: Sequence[str] | None = None,
        expert_style: str = INFORMED,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if task != self.task:
            raise unknown_name("task", task, [self.task])
        if isinstance(size, bool) or not isinstance(size, int) or not 32 <= size <= 1024:
            raise EnvError(f"size={size!r}: pictures have 32 to 1024 pixels a side")
        self.task_name, self.level = task, canonical_level(level, LEVELS)
        sensors = self.default_sensors if sensors is None else sensors
        if isinstance(sensors, str) or not isinstance(sensors, Sequence):
            raise EnvError(
                f"sensors={shown(sensors)}: a list of {', '.join(sensing.SENSORS)}, or an empty one"
            )
        for sensor in sensors:
            if sensor not in sensing.SENSORS:
                raise unknown_name("sensor", sensor, sensing.SENSORS)
        if expert_style not in self.expert_styles:
            raise unknown_name("expert_style", expert_style, self.expert_styles)
        if "map" not in sensors and ("route" in sensors or expert_style == EXPLORER):
            asked = (
                "the route is drawn on the map" if "route" in sensors else f"the {EXPLORER} goes by the map"
            )
            raise EnvError(f"{asked}: put 'map' into sensors=")
        self.expert_style = expert_style
        self._houses, self.sensors = houses, tuple(sensors)
        self.camera = Camera(size, size, self.body.vertical_fov)
        self.action_space = self._actions()
        picture = gymnasium.spaces.Box(0, 255, (3, size, size), np.uint8)
        self.observation_space = gymnasium.spaces.Dict(
            {
                "rgb": gymnasium.spaces.Dict({"front": picture}),
                "pose": gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32),
                **sensing.spaces(self.sensors, size, self.farthest_m),
                **self._more_spaces(),
            }
        )
        self._simulator: HouseSimulator | None = None
        self._house: House | None = None
        self._plan: list[Any] | None = None
        self._watcher: tuple[Callable[[np.ndarray], None], int, int] | None = None

    def _actions(self) -> gymnasium.Space:
        return gymnasium.spaces.Discrete(len(ACTIONS))

    # what tasks say

    def _more_spaces(self) -> dict[str, gymnasium.Space]:
        """Further parts of an observation."""
        return {}

    def _more(self) -> dict[str, np.ndarray]:
        return {}

    @abstractmethod
    def _set(self, rng: np.random.Generator) -> bool:
        """Draw start and goal in the house that stands; False where there are none."""

    @abstractmethod
    def _prompt(self) -> str:
        """The instruction."""

    @abstractmethod
    def _reached(self, stance: Stance) -> bool:
        """Whether stopping at a stance succeeds."""

    @abstractmethod
    def _goal_cells(self) -> list[int]:
        """The cells of the grid that are at the goal."""

    def _goal_things(self) -> Sequence[str]:
        """The ids of the things that are looked for."""
        return ()

    @abstractmethod
    def _final(self, stance: Stance) -> list[int]:
        """What to do at the goal, before stopping."""

    @abstractmethod
    def _goal_spots(self) -> list[np.ndarray]:
        """Where on the floor the goals are, (2,) each, for people."""

    # where the body is, for those whose body stands in another simulator

    def _put(self) -> bool:
        """Follow the embedded body to where it has been put at once; False where nobody can stand there."""
        return True

    def _look(self, **pictures: bool) -> View:
        """What the body sees (`Renderer.view` says which pictures there are)."""
        return self._simulator.view(self.camera, **pictures)

    # gymnasium

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        self._begin(seed, options)
        self._place()
        self._origin = self._simulator.stance
        self._walked, self._stopped, self._collisions, self._goal_seen = 0.0, False, 0, False
        self._map, self._followed = EgoMap.at(self._origin, self.body.radius, self.body.height), None
        self._shortest = self._distance()
        self._plan, self.in_episode = None, True
        self._show()
        return self._observation(), self._info()

    def _place(self) -> None:
        """Move into the seed's house, and draw start and goal there."""
        for attempt in range(_TRIES):
            rng = np.random.default_rng([0x4E4156, self._seed, attempt])
            self._move_in(self._a_house(attempt))
            if self._set(rng) and self._put():
                return
        raise SpawnError(f"seed {self._seed}: no start and goal found in {_TRIES} houses")

    def _a_house(self, attempt: int) -> House:
        if self._houses is not None:
            return house_sources.chosen(self._houses, self._seed, self.level, attempt)
        return house_sources.generated(
            self._seed if not attempt else self._seed + attempt * 10**9, self.level
        )

    def _move_in(self, house: House) -> None:
        if self._simulator is not None and (self._house is house or self._house == house):
            self._simulator.restore()
            return
        if self._simulator is not None:
            self._simulator.close()
            self._simulator = None
        self._house = house
        self._simulator = HouseSimulator.of_house(house, Footprint(self.body.radius, self.body.height))
        give_back()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._check_step()
        done = self._action(action)
        before = self._simulator.stance.position
        self._do(done)
        moved = float(np.linalg.norm(self._simulator.stance.position - before))
        self._walked += moved
        if "map" in self.sensors:
            self._map = self._map.walked(self._simulator.stance)
            if done == AHEAD and moved < self.body.step - 1e-3:
                self._map = self._map.blocked(self._simulator.stance)
        self._steps += 1
        if self._plan:
            self._plan = self._plan[1:] if self._plan[0] == done else None
        observation, info = self._observation(), self._info()  # what is in sight is told by both
        self._show()
        return observation, *self._ends(info), info

    def _action(self, action: Any) -> Any:
        """Read an action, here its number; what is returned can be compared. EnvError for what is none."""
        return whole_number(action, f"an action ({', '.join(ACTIONS)})", 0, len(ACTIONS) - 1)

    def _do(self, number: Any) -> None:
        """Carry out what `_action` has read."""
        if number == STOP:
            self._stopped = True
        elif number == AHEAD:
            self._collisions += self._ahead()
        else:
            self._turn(number)

    def _ahead(self) -> bool:
        """Go ahead; return whether something was in the way. All or nothing, as in AI2-THOR."""
        return self._simulator.move(self.body.step) is not None

    def _turn(self, number: int) -> None:
        stance, body = self._simulator.stance, self.body
        if number in (LEFT, RIGHT):
            turn = math.radians(body.turn) * (1 if number == LEFT else -1)
            self._simulator.stand(replace(stance, yaw=wrapped(stance.yaw + turn)))
        else:
            low, high = (math.radians(limit) for limit in body.pitch_limits)
            tilt = stance.pitch + math.radians(body.tilt) * (1 if number == UP else -1)
            if low - 1e-6 <= tilt <= high + 1e-6:
                self._simulator.stand(replace(stance, pitch=tilt))

    def render(self) -> np.ndarray | None:
        if self.render_mode is None:
            return None
        self._check_reset("render")
        return np.ascontiguousarray(self._look().rgb)

    def depth(self) -> dict[str, np.ndarray]:
        self._check_reset("depth")
        return {"front": self._measured(self._look(rgb=False, depth=True))}

    def floor_map(self) -> FloorMap:
        self._check_reset("floor_map")
        return maps.house_map(self._simulator, self._origin, self._goal_spots())

    def watch(
        self,
        callback: Callable[[np.ndarray], None] | None,
        height: int = 288,
        width: int = 512,
        every: int = 1,
    ) -> None:
        """Show `callback` a picture now and one after each step: a step is one picture, whatever `every`."""
        if callback is not None and not callable(callback):
            raise EnvError(f"watch takes a function of a picture, or None; got {shown(callback)}")
        self._watcher = None if callback is None else (callback, height, width)
        if callback is not None and self._simulator is not None:
            self._show()

    def _show(self) -> None:
        if self._watcher is not None:
            callback, height, width = self._watcher
            callback(self._simulator.view(replace(self.camera, width=width, height=height)).rgb.copy())

    def close(self) -> None:
        super().close()
        if self._simulator is not None:
            self._simulator.close()

    # state

    def state(self) -> dict[str, Any]:
        self._check_reset("state")
        return {
            "task": self.task_name,
            "house": self._house.json,
            "simulator": self._simulator.state(),
            "episode": {name: getattr(self, name) for name in self._kept},
        }

    _kept = (
        "_seed",
        "_steps",
        "in_episode",
        "_origin",
        "_walked",
        "_stopped",
        "_collisions",
        "_goal_seen",
        "_shortest",
        "_plan",
        "_map",
        "_followed",
        "level",
    )

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if state["task"] != self.task_name:
            raise EnvError(f"a state of task {state['task']!r} does not fit {self.task_name!r}")
        if self._house is None or self._house.json != state["house"]:
            self._move_in(parse_house(state["house"]))
        self._simulator.set_state(state["simulator"])
        for name, value in state["episode"].items():
            setattr(self, name, value)
        self._put()
        return self._observation(), self._info()

    # what is returned

    def _observation(self) -> dict[str, Any]:
        view = self._view()
        stance, origin = self._simulator.stance, self._origin
        away = stance.point - origin.point
        right, ahead = np.array([origin.forward[1], -origin.forward[0]]), origin.forward
        pose = (away @ right, away @ ahead, -wrapped(stance.yaw - origin.yaw), stance.pitch)
        more = self._more()
        if "map" in self.sensors:
            wanted = None if view.segmentation is None else np.isin(view.segmentation, self._goal_places())
            self._map = self._map.seen(view.depth, stance, self.camera, wanted)
            in_sight = wanted is not None and bool(wanted.any())
            if "route" in self.sensors or self.expert_style == EXPLORER:
                self._followed = way(self._map, stance, self._known_goals(), self._followed)
            shown = None
            if "route" in self.sensors:
                shown = None if self._followed is None else self._followed.points
                more["waypoint"] = waypoint(self._map, stance, self._followed)
                more["in_sight"] = np.array([in_sight], np.float32)
            drawn = self._map.picture(stance, more.get("pointgoal"), in_sight, shown)
            more["map"] = np.ascontiguousarray(np.moveaxis(drawn, -1, 0))
        return {
            "rgb": {"front": np.ascontiguousarray(np.moveaxis(view.rgb, -1, 0))},
            "pose": np.array(pose, np.float32),
            **({"depth": {"front": self._measured(view)}} if "depth" in self.sensors else {}),
            **({"segm": {"front": view.segmentation}} if "segmentation" in self.sensors else {}),
            **more,
        }

    def _goal_places(self) -> list[int]:
        """The numbers of what is looked for, as segmentation has them."""
        return [self._simulator.place[id] for id in self._goal_things()]

    def _view(self) -> View:
        kinds = {kind: kind in self.sensors for kind in sensing.CAMERA}
        kinds["depth"] |= "map" in self.sensors
        view = self._look(**kinds)
        self._seen = sensing.ids(view.segmentation) if kinds["segmentation"] else ()
        self._goal_seen |= not set(self._goal_places()).isdisjoint(self._seen)
        return view

    def _measured(self, view: View) -> np.ndarray:
        return np.ascontiguousarray(np.minimum(view.depth, np.float32(self.farthest_m)))

    def _info(self) -> dict[str, Any]:
        success = self._stopped and self._reached(self._simulator.stance)
        distance = self._distance()
        shortest, walked = self._shortest, self._walked
        info = self._common_info(
            prompt=self._prompt(),
            prompt_assets=PromptAssets({}),
            success=success,
            failure=self._stopped and not success,
            metrics={
                "spl": metrics.spl(success, shortest, walked),
                "soft_spl": metrics.soft_spl(success, distance, shortest, walked),
                "distance_to_goal": distance,
                "path_length": walked,
                "collisions": float(self._collisions),
            },
        )
        if "segmentation" in self.sensors:
            if self._goal_things():
                info["metrics"]["goal_seen"] = float(self._goal_seen)
            info["objects"] = sensing.objects(self._simulator, self._seen)
        if self.expert and not self._stopped:
            explored = self._explored() if self.expert_style == EXPLORER else None
            info["expert_action"] = self._expert_action() if explored is None else explored
        return info

    def _distance(self) -> float:
        """How far the goal is along the floor, metres; inf where there is no way."""
        return self._simulator.grid.geodesic(self._simulator.stance.point, self._goal_cells())
