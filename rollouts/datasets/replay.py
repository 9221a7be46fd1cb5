"""Stored actions played again in their environment, and what came of it beside what was stored.

It refuses to judge: how large a difference may be is for who asks.
"""

import json
from dataclasses import dataclass

import numpy as np

import envs
from policies import embodiments
from pretrain.sources.lerobot import EpisodeRecord


@dataclass(frozen=True)
class Replayed:
    """How far an episode played again is from the stored one; 0 everywhere where it is the same."""

    index: int
    task: str
    seed: int
    steps: int
    """Actions that the environment took before it ended the episode."""
    stored_steps: int
    pixels: float
    """Largest difference of any pixel before any action and after the last, in levels of 255."""
    state: float
    """Largest difference of the body's state, in its own units."""
    reward: float
    """Largest difference of a reward."""
    success: bool
    stored_success: bool

    def same(self, tolerance: float) -> bool:
        """Tell whether nothing differs by more: rewards and states in their units, pixels in levels."""
        return (
            self.steps == self.stored_steps
            and self.success == self.stored_success
            and max(self.pixels, self.state, self.reward) <= tolerance
        )


def replayed(record: EpisodeRecord) -> Replayed:
    """Play a stored episode again from its seed, arguments and actions, and compare."""
    env = envs.suite(record.suite).make(**{"task": record.task, **json.loads(record.env_kwargs)})
    try:
        observation, info = env.reset(seed=record.seed)
        body = embodiments.of(info)
        rewards = record.rewards
        pixels = state = reward = 0.0
        steps, ended = 0, False
        for number, vector in enumerate(record.actions):
            if ended:
                break
            for camera, picture in body.views(observation).items():
                pixels = max(pixels, _apart(picture, record.frames[camera][number]))
            if record.record.state:
                state = max(state, _apart(body.state(observation, info), record.states[number]))
            observation, got, terminated, truncated, info = env.step(body.action(vector))
            reward = max(reward, _apart(np.float32(got), rewards[number]))
            ended = bool(terminated or truncated)
            steps += 1
        if steps == record.length:
            for camera, picture in body.views(observation).items():
                pixels = max(pixels, _apart(picture, record.final[camera]))
        success = bool(info.get("success", False))
    finally:
        env.close()
    kept = record.task, record.seed
    return Replayed(record.index, *kept, steps, record.length, pixels, state, reward, success, record.success)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    if np.shape(one) != np.shape(other):
        return float("inf")
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).max(initial=0.0))
