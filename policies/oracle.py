"""The environment's own expert as a policy: plays `info["expert_action"]`, however that was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy, Step
from uio2_agent.errors import UIO2Error


class OraclePolicy(Policy):
    """Play the expert action that environments made with `expert=True` report.

    Where the expert has none (it saw the goal become unreachable), an idle action keeps the episode going, so
    that it ends as it would for any policy.

    Parameters
    ----------
    noise
        Chance at each step of going astray: a random action is played, up to `astray` times in a row. Such
        episodes show what to do off the expert's way; a dataset keeps what the expert would have done.
    astray
        Most repetitions.
    seed
        Of the noise, beside each episode's own.
    """

    name = "oracle"

    def __init__(self, noise: float = 0.0, astray: int = 6, seed: int = 0) -> None:
        if not 0 <= noise < 1 or int(astray) < 1:
            raise UIO2Error(f"noise={noise}, astray={astray}: a share from 0 to below 1, and at least 1")
        self.noise, self.astray, self.seed = float(noise), int(astray), int(seed)
        self._generators: dict[int, np.random.Generator] = {}
        self._strays: dict[int, list[Any]] = {}

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._generators[slot] = np.random.default_rng([0x4E4F4953, self.seed, int(info["seed"])])
        self._strays[slot] = []

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        return [self._stray(step) if self.noise else _expert(step) for step in steps]

    def _stray(self, step: Step) -> Any:
        expert, rng, left = _expert(step), self._generators[step.slot], self._strays[step.slot]
        if not left and rng.random() < self.noise:
            body = embodiments.of(step.info)
            state = body.state(step.observation, step.info)
            action, idle = body.random_action(state, rng), body.vector(body.idle_action(state))
            if not np.array_equal(body.vector(action), idle):  # doing nothing leads nowhere, and may end it
                left += [action] * int(rng.integers(1, self.astray + 1))
        return left.pop() if left else expert


def _expert(step: Step) -> dict[str, Any]:
    if "expert_action" not in step.info:
        raise UIO2Error(
            "the oracle policy needs info['expert_action'], which this environment does not report: "
            "make it with gym.make(..., expert=True)"
        )
    action = step.info["expert_action"]
    if action is not None:
        return action
    body = embodiments.of(step.info)
    return body.idle_action(body.state(step.observation, step.info))
