"""The environment's own expert as a policy: plays `info["expert_action"]`, however that was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from policies import embodiments
from policies.base import Policy, Step
from uio2_agent.errors import UIO2Error


class OraclePolicy(Policy):
    """Play the expert action that environments made with `expert=True` report.

    Where the expert has none (it saw the goal become unreachable), an idle action keeps the episode going, so
    that it ends as it would for any policy.

    Arguments:
        noise: Chance at each step of going astray for 1 to `astray` steps. Such episodes show what to do off
            the expert's way; a dataset keeps what the expert would have done.
        astray: Most steps in a row.
        by: Who leads astray, a policy (DAgger, Ross et al. 2011: a learner is taught where it goes itself);
            on the command line as `policy=` takes it. None repeats one random action.
        seed: Of the noise, beside each episode's own.
    """

    name = "oracle"
    names_files: ClassVar = {"by": ("random", "oracle")}

    def __init__(self, noise: float = 0.0, astray: int = 6, by: Policy | None = None, seed: int = 0) -> None:
        if not 0 <= noise <= 1 or int(astray) < 1:
            raise UIO2Error(f"noise={noise}, astray={astray}: a share from 0 to 1, and at least 1")
        self.noise, self.astray, self.seed = float(noise), int(astray), int(seed)
        self._other = by
        self._strays: dict[int, _Stray] = {}

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._strays[slot] = _Stray(np.random.default_rng([0x4E4F4953, self.seed, int(info["seed"])]))
        if self._other is not None:
            self._other.reset(slot, observation, info)

    def act(self, steps: list[Step]) -> list[Any]:
        experts = [_expert(step) for step in steps]
        if not self.noise:
            return experts
        others = experts if self._other is None else self._other.act(steps)
        return [self._chosen(*each) for each in zip(steps, experts, others, strict=True)]

    def _chosen(self, step: Step, expert: Any, other: Any) -> Any:
        stray = self._strays[step.slot]
        if not stray.left and stray.rng.random() < self.noise:
            stray.left = int(stray.rng.integers(1, self.astray + 1))
            stray.action = _aimless(step, stray.rng) if self._other is None else None
        if not stray.left:
            if self._other is not None:
                self._other.played(step.slot, expert)
            return expert
        stray.left -= 1
        action = stray.action if self._other is None else other
        body = embodiments.of(step.info)
        idle = body.vector(body.idle_action(body.state(step.observation, step.info)))
        if not np.array_equal(body.vector(action), idle):
            return action
        if self._other is not None:  # doing nothing leads nowhere, and may end the episode
            self._other.played(step.slot, expert)
        return expert


@dataclass
class _Stray:
    """How an episode goes astray."""

    rng: np.random.Generator
    left: int = 0
    """Steps that are still astray."""
    action: Any = None
    """What is repeated meanwhile."""


def _aimless(step: Step, rng: np.random.Generator) -> Any:
    body = embodiments.of(step.info)
    return body.random_action(body.state(step.observation, step.info), rng)


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
