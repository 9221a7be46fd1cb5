"""The toys as a suite; `flaw=NAME` makes a broken one."""

import tests.envs.toy_flaws  # noqa: F401 - fills FLAWS
from tests.envs.toy_env import FLAWS, ToyEnv, example


def make(task, flaw="", **options):
    return (FLAWS[flaw] if flaw else ToyEnv)(task, **options)


make.metadata = ToyEnv.metadata

SUITE = example.SUITE = example.Suite(
    name="toy",
    embodiment=ToyEnv.embodiment,
    entry_point=make,
    tasks={"reach": ("near", "far"), "sprint": ("far",)},
    levels={"near": ("L1",), "far": ("L2",)},
    default_level="near",
    tested_levels=("near", "far"),
    max_steps=example.max_steps,
)
