"""Actions drawn uniformly from what a body can do: what a learned policy has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy, Step
from uio2_agent.errors import UIO2Error


class RandomPolicy(Policy):
    """Let each episode's embodiment draw the actions.

    The draws of an episode depend on its seed (and `seed`) alone, not on its slot or on what runs beside it.

    Arguments:
        seed: Added to every episode's seed: another value, other actions on the same episodes.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)
        self._generators: dict[int, np.random.Generator] = {}

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._generators[slot] = np.random.default_rng([self.seed, int(info["seed"])])

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        return [self._draw(step) for step in steps]

    def _draw(self, step: Step) -> dict[str, Any]:
        if step.slot not in self._generators:
            raise UIO2Error(
                f"slot {step.slot} was not reset: call policy.reset(slot, observation, info) after env.reset"
            )
        body = embodiments.of(step.info)
        return body.random_action(body.state(step.observation, step.info), self._generators[step.slot])
