"""The Habitat suite."""

from envs.house.tasks.levels import LEVELS, SHOWN_METRICS, demonstration_options, played_by_a_person
from envs.suites import Suite

BACKENDS = {
    "house": "the embedded house simulator",
    "habitat_sim": "habitat-sim, where it is installed; it plays episodes=FILE",
}
SUITE = Suite(
    name="habitat",
    embodiment="navigation",
    entry_point=f"{__package__}.making:make",
    tasks={"PointNav": tuple(LEVELS), "ObjectNav": tuple(LEVELS)},
    backends=BACKENDS,
    levels=LEVELS,
    default_level="medium",
    default_tasks=("PointNav",),
    tested_levels=tuple(LEVELS),
    demonstration_options=demonstration_options,
    play_options=played_by_a_person,
    shown_metrics=SHOWN_METRICS,
    max_steps=lambda task, env_kwargs: 500,
)
