"""The environment: a square field, a point, and discs of which one is asked for."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np

from envs.assets import PromptAssets
from envs.base import SimulatorEnv
from envs.errors import EnvError, unknown_name
from envs.inputs import numbers
from envs.suites import canonical_level
from toy_point import LEVELS, REACH

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 80, 220)}
SIDE = 64


class PointEnv(SimulatorEnv):
    """Steps are displacements (dx, dy); the episode is solved on the disc that the prompt names.

    `level` is `three` (discs of three colours) or `one` (a single disc).
    """

    embodiment = "toy_point"
    abilities = frozenset({"expert", "state"})
    observation_space: ClassVar = gymnasium.spaces.Dict(
        {
            "rgb": gymnasium.spaces.Dict({"above": gymnasium.spaces.Box(0, 255, (3, SIDE, SIDE), np.uint8)}),
            "point": gymnasium.spaces.Box(0.0, 1.0, (2,), np.float32),
        }
    )

    def __init__(self, task: str, level: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if task != "reach":
            raise unknown_name("task", task, ["reach"])
        self.task_name, self.level, self.max_steps = task, canonical_level(level, LEVELS) or "three", 8
        self.action_space = gymnasium.spaces.Box(-REACH, REACH, (2,), np.float32)
        self._point, self._discs, self._asked = np.zeros(2), {}, "red"

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        self._begin(seed, options)
        rng = np.random.default_rng(self._seed)
        names = rng.permutation(list(COLOURS))[: 1 if self.level == "one" else 3]
        corners = rng.permutation([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)])
        self._discs = {str(n): c + rng.uniform(-0.1, 0.1, 2) for n, c in zip(names, corners, strict=False)}
        self._asked = str(rng.choice(list(self._discs)))
        self._point, self.in_episode = rng.uniform(0.4, 0.6, 2), True
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._check_step()
        move = numbers(action, "an action (dx, dy)", (2,))
        self._point = np.clip(self._point + np.clip(move, -REACH, REACH), 0.0, 1.0)
        self._steps += 1
        info = self._info()
        return self._observation(), *self._ends(info), info

    def render(self) -> np.ndarray | None:
        self._check_reset("render")
        return None if self.render_mode is None else np.moveaxis(self._observation()["rgb"]["above"], 0, -1)

    def state(self) -> dict[str, Any]:
        self._check_reset("state")
        discs = {name: place.tolist() for name, place in self._discs.items()}
        return {
            "seed": self._seed,
            "steps": self._steps,
            "point": self._point.tolist(),
            "discs": discs,
            "asked": self._asked,
            "in_episode": self.in_episode,
            "task": self.task_name,
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if state["task"] != self.task_name:
            raise EnvError(f"a state of task {state['task']!r} does not fit {self.task_name!r}")
        self._seed, self._steps, self.in_episode = state["seed"], state["steps"], state["in_episode"]
        self._point, self._asked = np.array(state["point"]), state["asked"]
        self._discs = {name: np.array(place) for name, place in state["discs"].items()}
        return self._observation(), self._info()

    def _observation(self) -> dict[str, Any]:
        rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
        picture = np.full((SIDE, SIDE, 3), 235, np.uint8)
        for name, (x, y) in self._discs.items():
            picture[(columns - x) ** 2 + (rows - y) ** 2 < 0.12**2] = COLOURS[name]
        x, y = self._point
        picture[(columns - x) ** 2 + (rows - y) ** 2 < 0.04**2] = 0
        return {"rgb": {"above": np.moveaxis(picture, -1, 0).copy()}, "point": self._point.astype(np.float32)}

    def _info(self) -> dict[str, Any]:
        away = self._discs[self._asked] - self._point
        distance = float(np.linalg.norm(away))
        info = self._common_info(
            prompt=f"Go to the {self._asked} disc.",
            prompt_assets=PromptAssets({}),
            success=self._steps > 0 and distance < 0.1,
            metrics={"distance": distance},
        )
        if self.expert and not info["success"]:
            info["expert_action"] = np.clip(away, -REACH, REACH).astype(np.float32)
        return info
