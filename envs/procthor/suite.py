"""The ProcTHOR suite. Loads no simulator."""

from envs.house.tasks.levels import LEVELS, SHOWN_METRICS, demonstration_options, played_by_a_person
from envs.procthor.registration import BACKENDS
from envs.suites import Suite

SUITE = Suite(
    name="procthor",
    embodiment="navigation",
    entry_point=f"{__package__}.registration:make_env",
    other_embodiments={"PickAndPlace": "household"},
    tasks={"ObjectNav": tuple(LEVELS), "PickAndPlace": tuple(LEVELS)},
    levels=LEVELS,
    default_level="medium",
    tested_levels=tuple(LEVELS),
    backends=BACKENDS,
    packages={"ai2thor": "AI2-THOR itself, for backend=ai2thor; pip install 'uio2-agent[ai2thor]'"},
    demonstration_options=demonstration_options,
    play_options=played_by_a_person,
    shown_metrics=SHOWN_METRICS,
    max_steps=lambda task, env_kwargs: 500,
)
