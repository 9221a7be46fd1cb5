"""Small fakes with the layouts of the real things: an environment in several moods, and a policy.

The suite `tests.toys:SUITE`: in task slide a coloured square must be moved onto another by one to three
actions; crash raises at its second step; kill kills its process. Observation and info are laid out as the
tabletop's.
"""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from envs.assets import PromptAssets
from envs.suites import Suite
from envs.vima.levels import LEVELS
from policies.base import Policy, Step

LOW, HIGH = np.array([0.25, -0.5]), np.array([0.75, 0.5])
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 60), "blue": (30, 60, 200)}


@dataclass(frozen=True)
class ToyObject:
    """An ObjectState look-alike."""

    id: int
    name: str
    texture: str
    fixed: bool
    position: tuple[float, float, float]
    size: tuple[float, float, float] = (0.05, 0.05, 0.05)
    scale: float = 1.0
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)


class ToyEnv(gym.Env):
    """Two squares on a plain table: bring the movable one onto the fixed one, in one to three steps."""

    action_space = gym.spaces.Dict(
        {
            f"pose{i}_{part}": gym.spaces.Box(-1, 1, (size,), np.float32)
            for i in (0, 1)
            for part, size in (("position", 2), ("rotation", 4))
        }
    )
    observation_space = gym.spaces.Dict({"ee": gym.spaces.Discrete(2)})
    made: ClassVar[list["ToyEnv"]] = []
    """Environments made in this process."""

    def __init__(self, level: str = "placement", task: str = "slide", expert: bool = False):
        self.level, self.mode, self.expert = level, task, expert
        self.closed = False
        ToyEnv.made.append(self)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self._seed, self._steps = seed, 0
        self._needed = int(self.np_random.integers(1, 4))  # steps to the goal
        self._textures = self.np_random.choice(list(COLOURS), 2)
        self._place = self.np_random.uniform(LOW + 0.1, HIGH - 0.1)
        self._goal = self.np_random.uniform(LOW + 0.1, HIGH - 0.1)
        assets = {thing.name: _asset(thing) for thing in self._objects()} | {"scene": _scene(self._seed)}
        self._assets = PromptAssets(assets)
        if self.mode == "unplaceable" and seed % 3 == 1:
            raise RuntimeError("cannot place the objects")
        return self._observation(), self._info()

    def step(self, action: Mapping[str, Any]) -> tuple[dict, float, bool, bool, dict]:
        self._steps += 1
        if self.mode == "crash" and self._steps == 2:
            raise RuntimeError("the simulator broke")
        if self.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "slow":
            time.sleep(0.05)
        self._place = np.asarray(action["pose1_position"], float)
        info = self._info()
        return self._observation(), float(info["success"]), info["success"], self._steps >= 5, info

    def close(self) -> None:
        self.closed = True

    @property
    def _success(self) -> bool:
        return bool(np.abs(self._place - self._goal).max() < 1e-3)

    def _objects(self) -> tuple[ToyObject, ...]:
        return (
            ToyObject(5, "square", str(self._textures[0]), False, (*self._place.tolist(), 0.0)),
            ToyObject(
                6, "target", str(self._textures[1]), True, (*self._goal.tolist(), 0.0), (0.1, 0.1, 0.01)
            ),
        )

    def _observation(self) -> dict[str, Any]:
        rgb, segm = {}, {}
        for view, scale in (("front", 1), ("top", 2)):
            picture = np.full((128, 256, 3), 90, np.uint8)
            picture[::7] += np.uint8(self._seed % 50)  # something that depends on the seed everywhere
            ids = np.zeros((128, 256), np.uint8)
            for thing in reversed(self._objects()):
                row, column = ((np.array(thing.position[:2]) - LOW) / (HIGH - LOW) * (128, 256)).astype(int)
                half = (3 if thing.id == 5 else 6) * scale
                area = np.s_[max(row - half, 0) : row + half, max(column - half, 0) : column + half]
                picture[area], ids[area] = COLOURS[thing.texture], thing.id
            rgb[view], segm[view] = picture.transpose(2, 0, 1), ids
        return {"rgb": rgb, "segm": segm, "ee": 0}

    def _info(self) -> dict[str, Any]:
        info = {
            "prompt": "Put the {square} onto the {target} in {scene}.",
            "prompt_assets": self._assets,
            "task": self.mode,
            "level": self.level,
            "seed": self._seed,
            "embodiment": "vima",
            "end_effector": 0,
            "objects": self._objects(),
            "max_steps": 5,
            "metrics": {"distance": float(np.abs(self._place - self._goal).max())},
            "success": self._success,
            "failure": False,
        }
        if self.expert:
            left = max(self._needed - self._steps, 1)
            info["expert_action"] = _move(self._place, self._place + (self._goal - self._place) / left)
        return info


def _asset(thing: ToyObject) -> dict[str, Any]:
    picture = np.full((3, 128, 256), 255, np.uint8)
    picture[:, 50:70, 100:130] = np.array(COLOURS[thing.texture])[:, None, None]
    ids = np.full((128, 256), 255, np.uint8)
    ids[50:70, 100:130] = 0
    about = {"obj_id": 0, "obj_name": thing.name, "obj_color": thing.texture}
    segm = {"front": ids, "top": ids, "obj_info": about}
    return {"rgb": {"front": picture, "top": picture}, "segm": segm, "placeholder_type": "object"}


def _scene(seed: int) -> dict[str, Any]:
    picture = np.full((3, 128, 256), 90, np.uint8)
    picture[:, :20] = np.random.default_rng(seed).integers(0, 255, (3, 20, 256), np.uint8)
    ids = np.zeros((128, 256), np.uint8)
    segm = {"front": ids, "top": ids, "obj_info": [{"obj_id": 2, "obj_name": "square", "obj_color": "red"}]}
    return {"rgb": {"front": picture, "top": picture}, "segm": segm, "placeholder_type": "scene"}


def _move(start: np.ndarray, end: np.ndarray) -> dict[str, np.ndarray]:
    turn = np.array([0, 0, 0, 1])
    return {"pose0_position": start, "pose0_rotation": turn, "pose1_position": end, "pose1_rotation": turn}


class ScriptedPolicy(Policy):
    """Returns the environment's expert action and remembers how it was called.

    `spoil=k` moves every k-th seed's object elsewhere; `raise_at=seed` raises for that seed.
    """

    name = "scripted"
    vocabulary_hash = "toy"

    def __init__(self, spoil: int = 0, raise_at: int | None = None, tokens: bool = False):
        self.spoil, self.raise_at, self.tokens = spoil, raise_at, tokens
        self.batches: list[int] = []
        self.seeds: dict[int, int] = {}

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self.seeds[slot] = info["seed"]

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        self.batches.append(len(steps))
        actions = []
        for step in steps:
            seed = self.seeds[step.slot]
            assert seed == step.info["seed"], "a step came to a slot of another episode"
            if seed == self.raise_at:
                raise ValueError(f"no idea for seed {seed}")
            action = dict(step.info["expert_action"])
            if self.spoil and seed % self.spoil == 0:
                action["pose1_position"] = np.array([0.3, 0.0])
            actions.append(action)
        return actions

    def answer(self, slot: int) -> Any:
        if not self.tokens:
            return None
        return type("Answer", (), {"tokens": np.arange(self.seeds[slot] % 5 + 1), "text": ""})()


TOY = "tests.toys:SUITE"
"""What `env=` calls these environments."""
SUITE = Suite(
    name="toy",
    embodiment="vima",
    entry_point="tests.toys:ToyEnv",
    tasks=dict.fromkeys(("slide", "crash", "kill", "slow", "unplaceable"), LEVELS),
    levels=dict.fromkeys(LEVELS, ()),
    default_level="placement",
    tested_levels=LEVELS[:4],
    train_level="train",
    max_steps=lambda task, env_kwargs: 5,
)
