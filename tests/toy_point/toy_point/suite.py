"""The suite: one task at two levels."""

from envs.suites import Suite
from toy_point import LEVELS

SUITE = Suite(
    name="toy_point",
    embodiment="toy_point",
    entry_point="toy_point.env:PointEnv",
    tasks={"reach": ("three", "one")},
    levels=LEVELS,
    default_level="three",
    tested_levels=("three", "one"),
    max_steps=lambda task, env_kwargs: 8,
)
