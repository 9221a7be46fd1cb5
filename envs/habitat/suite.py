"""The Habitat suite."""

from envs.house.tasks.levels import LEVELS
from envs.suites import Suite

SUITE = Suite(
    name="habitat",
    embodiment="navigation",
    entry_point="envs.habitat.point_nav:PointNavEnv",
    tasks={"PointNav": tuple(LEVELS)},
    levels=LEVELS,
    default_level="medium",
    tested_levels=tuple(LEVELS),
    max_steps=lambda task, env_kwargs: 500,
)
