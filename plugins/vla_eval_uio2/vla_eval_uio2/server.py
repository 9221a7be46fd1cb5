"""Our policies as a model server of vla-eval: `python -m vla_eval_uio2.server --args.policy=nano`.

Unusual: it takes observations itself, and not through vla-eval's queue, because our policies remember their
episode and a request that fails must not spoil those decided with it: `uio2 serve` does both already.
"""

from itertools import count
from typing import Any

from vla_eval.model_servers.base import ModelServer, SessionContext
from vla_eval.model_servers.serve import run_server
from vla_eval.specs import IMAGE_RGB, LANGUAGE, DimSpec
from vla_eval.types import Observation

from policies import embodiments
from policies.loading import load_policy
from rollouts.inference.batches import Batches
from rollouts.inference.messages import Batching, Failure
from rollouts.inference.server import Client, only_body, written
from rollouts.limits import unwatched
from uio2_agent.errors import UIO2Error
from vla_eval_uio2.benchmarks import action_spec
from vla_eval_uio2.messages import request


class UIO2ModelServer(ModelServer):
    """Serve a policy.

    Args:
        policy: As `uio2 evaluate policy=`: a packaged name, a checkpoint directory, `random`, `module:Class`.
        policy_args: Further arguments of the policy.
        embodiment: That of benchmarks which are not ours; None is the only one that the policy learned.
        cameras: For those, camera of the body: name of the image; None takes their names as they are.
        told: For those, what the policy is told beside picture and prompt, such as `end_effector: 0`.
        batch: Most decisions in one call of the policy.
        wait: Most seconds that a batch which is not full waits.
    """

    def __init__(
        self,
        policy: str = "nano",
        policy_args: dict[str, Any] | None = None,
        *,
        embodiment: str | None = None,
        cameras: dict[str, str] | None = None,
        told: dict[str, Any] | None = None,
        batch: int = 16,
        wait: float = 0.01,
    ) -> None:
        self._policy = load_policy(policy, **(policy_args or {}))
        self._batching = Batching(1, batch, wait)
        self._body = embodiment or only_body(self._policy)
        self._cameras, self._told = cameras, told
        self._numbers = count()
        self._clients: dict[str, Client] = {}  # by session, which is in one episode at a time

    async def on_serve_start(self, tg: Any) -> None:
        self._batches = Batches(self._batching, unwatched)
        await self._batches.load(lambda: self._policy)

    async def on_episode_start(self, config: dict[str, Any], ctx: SessionContext) -> None:
        await self.on_episode_end({}, ctx)  # nobody is told of an episode that failed

    async def on_observation(self, obs: Observation, ctx: SessionContext) -> None:
        client = self._clients.setdefault(ctx.session_id, Client(next(self._numbers), self._body))
        asked, info = client.asked(request(obs, self._cameras, self._told))
        reply = await self._batches.act(client.number, [asked])
        if isinstance(reply.decisions, Failure):
            raise UIO2Error(reply.decisions.said)
        answer = written(reply.decisions[0], info)
        client.decided(info)
        await ctx.send_action({**answer, "actions": answer["actions"][0]})

    async def on_episode_end(self, result: dict[str, Any], ctx: SessionContext) -> None:
        if (client := self._clients.pop(ctx.session_id, None)) is not None:
            await self._batches.leave(client.number)

    def get_action_spec(self) -> dict[str, DimSpec]:
        return action_spec(embodiments.get(self._body)) if self._body else {}

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"image": IMAGE_RGB, "language": LANGUAGE}


if __name__ == "__main__":
    run_server(UIO2ModelServer)
