"""The suite: one task at two levels."""

from envs.suites import Suite

SUITE = Suite(
    name="toy_point",
    embodiment="toy_point",
    entry_point="toy_point.env:PointEnv",
    tasks={"reach": ("three", "one")},
    levels={"three": ("L1",), "one": ()},
    default_level="three",
    tested_levels=("three", "one"),
    max_steps=lambda task, env_kwargs: 8,
)
