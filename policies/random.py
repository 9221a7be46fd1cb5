"""Actions drawn uniformly from the workspace: what a learned policy has to beat. Looks at no observation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from policies.base import Policy, Step
from policies.embodiments.vima import HIGH, LOW, quaternion_of
from uio2_agent.errors import UIO2Error


class RandomPolicy(Policy):
    """Draw both poses uniformly: positions inside the bounds, yaws over the full turn.

    The draws of an episode depend on its seed (and `seed`) alone, not on its slot or on what runs beside it.

    Parameters
    ----------
    seed
        Added to every episode's seed: another value, other actions on the same episodes.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)
        self._generators: dict[int, np.random.Generator] = {}

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._generators[slot] = np.random.default_rng([self.seed, int(info["seed"])])

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        return [self._draw(step.slot) for step in steps]

    def _draw(self, slot: int) -> dict[str, Any]:
        if slot not in self._generators:
            raise UIO2Error(
                f"slot {slot} was not reset: call policy.reset(slot, observation, info) after env.reset"
            )
        rng = self._generators[slot]
        action = {}
        for pose in (0, 1):
            action[f"pose{pose}_position"] = rng.uniform(LOW, HIGH).astype(np.float32)
            action[f"pose{pose}_rotation"] = quaternion_of(rng.uniform(0, 2 * math.pi))
        return action
