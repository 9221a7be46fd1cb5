"""The environment's own expert as a policy: plays `info["expert_action"]`, however that was found."""

from __future__ import annotations

from typing import Any

from policies import embodiments
from policies.base import Policy, Step
from uio2_agent.errors import UIO2Error


class OraclePolicy(Policy):
    """Play the expert action that environments made with `expert=True` report.

    Where the expert has none (it saw the goal become unreachable), an idle action keeps the episode going, so
    that it ends as it would for any policy.
    """

    name = "oracle"

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        return [_expert(step) for step in steps]


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
