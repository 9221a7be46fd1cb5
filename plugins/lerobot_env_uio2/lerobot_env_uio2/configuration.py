"""What `--env.type` offers: a configuration for each suite, and the only module here that knows LeRobot.

Fields are arguments of `gym.make` under their own names. What is observed is read off an environment, so
features, pictures and state cannot differ from what it returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gymnasium.vector import VectorEnv
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.utils.constants import ACTION, OBS_IMAGES, OBS_STATE

from lerobot_env_uio2.environment import LeRobotEnv
from lerobot_env_uio2.vector import chosen_tasks, make_vectors
from uio2_agent.gym import envs

_STATE = "agent_pos"


@dataclass
class UIO2EnvConfig(EnvConfig):
    """Any suite of ours."""

    task: str | None = None
    """A task, several with commas between, or "all"; None is what the suite shows."""
    level: str | None = None
    """A level, several with commas between, or "all"; None is the suite's default, or a named task's only
    one."""
    episode_length: int | None = None
    """Most steps, where fewer are wanted than the suite plays."""
    first_seed: int = envs.FIRST_HELD_OUT_SEED
    """What is added to LeRobot's `--seed`, so that training seeds stay out of every evaluation."""
    backend: str | None = None
    """Which simulator; None is the suite's own."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `gym.make`."""

    def __post_init__(self) -> None:
        level, (task, *_) = next(iter(chosen_tasks(self.type, self.task, self.level).items()))
        env = LeRobotEnv(self.type, task, level, **self.gym_kwargs)
        record = env.record
        env.close()
        self.fps = record.fps
        self.features = {
            ACTION: PolicyFeature(FeatureType.ACTION, (len(record.action),)),
            _STATE: PolicyFeature(FeatureType.STATE, (len(record.state),)),
            **{
                f"{OBS_IMAGES}.{name}": PolicyFeature(FeatureType.VISUAL, (*size, 3))
                for name, size in record.cameras.items()
            },
        }
        self.features_map = {name: name for name in self.features} | {_STATE: OBS_STATE}

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        """What a `LeRobotEnv` is made with beside suite, task and level."""
        chosen = {} if self.backend is None else {"backend": self.backend}
        own = {"episode_length": self.episode_length, "first_seed": self.first_seed}
        return {**own, **chosen, **self.env_kwargs}

    def create_envs(self, n_envs: int, use_async_envs: bool = False) -> dict[str, dict[int, VectorEnv]]:
        """Return {suite_level: {task: vector environment}}."""
        return make_vectors(
            self.type, self.task, self.level, n_envs=n_envs, use_async_envs=use_async_envs, **self.gym_kwargs
        )


@EnvConfig.register_subclass("vima")
@dataclass
class VimaEnvConfig(UIO2EnvConfig):
    """The tabletop."""

    image_size: list[int] | None = None
    """Rows and columns of every picture; None are the benchmark's, 128 × 256."""

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        chosen = {} if self.image_size is None else {"image_size": self.image_size}
        return {**chosen, **super().gym_kwargs}


@dataclass
class HouseEnvConfig(UIO2EnvConfig):
    """Houses."""

    size: int | None = None
    """Rows and columns of the camera's pictures; None is what the suite takes."""
    sensors: list[str] | None = None
    """Which sensors beside the camera; None is what the suite takes."""

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        chosen = {"size": self.size, "sensors": self.sensors}
        return {**{name: value for name, value in chosen.items() if value is not None}, **super().gym_kwargs}


@EnvConfig.register_subclass("procthor")
@dataclass
class ProcthorEnvConfig(HouseEnvConfig):
    """ProcTHOR's houses: ObjectNav, or PickAndPlace."""


@EnvConfig.register_subclass("habitat")
@dataclass
class HabitatEnvConfig(HouseEnvConfig):
    """Habitat's tasks: PointNav, or ObjectNav."""
