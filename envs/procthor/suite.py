"""The ProcTHOR suite."""

from envs.house.tasks.levels import LEVELS
from envs.suites import Suite

SUITE = Suite(
    name="procthor",
    embodiment="navigation",
    entry_point="envs.procthor.object_nav:ObjectNavEnv",
    tasks={"ObjectNav": tuple(LEVELS)},
    levels=LEVELS,
    default_level="medium",
    tested_levels=tuple(LEVELS),
    max_steps=lambda task, env_kwargs: 500,
)
