"""An environment of ours as LeRobot's rollouts read one: numbers in, pictures and numbers out.

Pictures, state and action have the names and the form that our datasets give them, so what LeRobot trains on
a set of ours acts here. Two more observations tell a policy of ours the rest: `prompt`, bytes
(policies.carried), and `steps`. Unusual: an episode that has ended stands still until a reset with a seed or
options, since LeRobot goes on stepping it until the slowest beside it has ended, and counts one step more
than it plays.

Knows LeRobot's habits and not LeRobot itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np

from uio2_agent.gym import envs, policies

embodiments = import_module(f"{policies.__name__}.embodiments")
_carried = import_module(f"{policies.__name__}.carried")
_prompts = import_module(f"{policies.__name__}.prompts")

ENDED = -1
"""What `steps` says of an episode that has ended."""
_TOLD = ("seed", "success", "failure", "metrics")
"""What info keeps."""


class LeRobotEnv(gymnasium.Env):
    """One task of a suite.

    The observation holds `pixels` by camera, uint8 (H, W, 3); `agent_pos`, the state, float32; `prompt`,
    uint8 (policies.carried.BYTES,); and `steps`, int64 (1,): those done, -1 after the end. The action is the
    vector of our datasets, float32; what lies outside is brought inside, and numbers are rounded where the
    body takes whole ones. `info["is_success"]` is what LeRobot counts.

    Arguments:
        suite: As `envs.suite` takes it.
        task: A task of the suite.
        level: None leaves it to the environment.
        episode_length: Most steps, where fewer are wanted than the suite plays.
        first_seed: What is added to every seed, so that 0 is the first one held out.
        options: Further arguments of `gym.make`.
    """

    def __init__(
        self,
        suite: str,
        task: str,
        level: str | None = None,
        *,
        episode_length: int | None = None,
        first_seed: int = envs.FIRST_HELD_OUT_SEED,
        **options: Any,
    ) -> None:
        found = envs.suite(suite)
        self._env = found.make(task, level, render_mode="rgb_array", **options)
        most = self._env.unwrapped.max_steps
        if episode_length is not None and not 1 <= episode_length <= most:
            raise envs.EnvError(
                f"episode_length={episode_length}: an episode of {task} has 1 to {most} steps"
            )
        self.task = task
        self.body = embodiments.get(found.embodiment_of(task))
        self.metadata = dict(self._env.metadata)
        self.render_mode = "rgb_array"
        self._max_episode_steps = episode_length or most  # LeRobot asks for it by this name
        self._first_seed = first_seed
        self._instruction = task
        self._prompt = np.zeros(_carried.BYTES, np.uint8)
        self._steps = 0
        self._ended: tuple[Any, ...] | None = None
        self.record = self.body.record(self._env.observation_space.sample())
        box, spaces = gymnasium.spaces.Box, gymnasium.spaces.Dict
        pictures = {name: box(0, 255, (*size, 3), np.uint8) for name, size in self.record.cameras.items()}
        self.observation_space = spaces(
            {
                "pixels": spaces(pictures),
                "agent_pos": box(-np.inf, np.inf, (len(self.record.state),), np.float32),
                "prompt": box(0, 255, (_carried.BYTES,), np.uint8),
                "steps": box(ENDED, most, (1,), np.int64),
            }
        )
        self.action_space = box(-np.inf, np.inf, (len(self.record.action),), np.float32)

    def task_description(self) -> str:
        """Return the instruction in words, as our datasets do; LeRobot hands it to policies."""
        return self._instruction

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode. With neither seed nor options, as vector environments reset by themselves, one
        that has ended stays as it is; the options say nothing more.
        """
        if self._ended is not None and seed is None and not options:
            observation, *_, info = self._ended
            return observation, info
        given = None if seed is None else self._first_seed + int(seed)
        observation, info = self._env.reset(seed=given)
        self._ended, self._steps = None, 0
        self._instruction = _prompts.described_prompt(info["prompt"], info["prompt_assets"])
        self._prompt = _carried.carried(info)
        return self._observed(observation, info), _told(info)

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action; after the end, return the end again, without reward."""
        if self._ended is not None:
            return self._ended
        vector = np.asarray(action, np.float32).reshape(-1)
        names = self.record.action
        if vector.shape != (len(names),) or not np.isfinite(vector).all():
            raise envs.EnvError(
                f"an action of {self.body.name} is {len(names)} finite numbers ({', '.join(names)}); "
                f"got {vector.tolist()}"
            )
        observation, reward, terminated, truncated, info = self._env.step(
            self.body.action(self.body.possible(vector))
        )
        self._steps += 1
        truncated = truncated or (not terminated and self._steps >= self._max_episode_steps)
        ends = terminated or truncated
        seen = self._observed(observation, info, ends)
        if ends:
            self._ended = seen, 0.0, terminated, truncated, _told(info)
        return seen, reward, terminated, truncated, _told(info)

    def render(self) -> np.ndarray:
        """Return the scene as it stands, uint8 (H, W, 3)."""
        return self._env.render()

    def close(self) -> None:
        self._env.close()

    def _observed(self, observation: Any, info: Mapping[str, Any], ended: bool = False) -> dict[str, Any]:
        return {
            "pixels": {name: np.ascontiguousarray(v) for name, v in self.body.views(observation).items()},
            "agent_pos": self.body.state(observation, info),
            "prompt": self._prompt,
            "steps": np.array([ENDED if ended else self._steps], np.int64),
        }


def _told(info: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: info[name] for name in _TOLD}, "is_success": bool(info["success"])}
