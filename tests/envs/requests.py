"""What a model is asked at an observation, as a policy would ask it."""

from collections.abc import Mapping, Sequence
from typing import Any

from policies import embodiments
from policies.moment import Moment
from uio2_agent.request import Request


def request_for(
    observation: Mapping[str, Any],
    info: Mapping[str, Any],
    first: Mapping[str, Any] | None = None,
    executed: Sequence[str] = (),
) -> Request:
    """Return the request in the style of the released models."""
    body = embodiments.of(info)
    now = Moment(
        task=info["task"],
        prompt=info["prompt"],
        prompt_assets=info["prompt_assets"],
        state=body.state(observation, info),
        views=body.views(observation),
        first_views=None if first is None else body.views(first),
        executed=executed,
    )
    return body.request(now, body.style())
