"""A policy behind a websocket, in the protocol of openpi: metadata first, then a reply for each request.

Requests and replies are msgpack (policies.wire); a text instead of bytes is an error. Requests of all
connections are decided in batches. Unusual: a connection is an episode's, because policies here remember
their episode; `reset` in a request begins the next one.

It refuses to know suites and models: what a request holds beside its own keys is the episode's info.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from itertools import count
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy
from policies.served import DIALECT, VERSION
from policies.wire import LARGEST, packed, unpacked
from rollouts.errors import RolloutError
from rollouts.inference.batches import Batches
from rollouts.inference.messages import Asked, Change, Decision, Failure
from uio2_agent.errors import UIO2Error, described

HEALTH = "/healthz"
_OWN_KEYS = ("observation", "reset", "played")


class Fields(dict):
    """A map whose values are attributes, too: what an environment told as an object arrives as one."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Client:
    """The episode of a connection.

    Arguments:
        number: Of the connection.
        body: The embodiment of requests that name none.
    """

    def __init__(self, number: int, body: str | None):
        self.number, self._body = number, body
        self._info: dict[str, Any] = {}
        self._begun = False

    def asked(self, request: Any) -> tuple[Asked, Mapping[str, Any]]:
        """Return the step that a request asks for, and its info. UIO2Error for a request that is none."""
        if not isinstance(request, dict) or not isinstance(request.get("observation"), dict):
            raise UIO2Error(f"a request is a map with a map `observation`; found {_kind(request)}")
        begins = bool(request.get("reset")) or not self._begun
        told = {key: value for key, value in request.items() if key not in _OWN_KEYS}
        info = {**({} if begins else self._info), **told}
        if begins:
            info = {"prompt_assets": {}, "task": "", "seed": 0, "embodiment": self._body, **info}
        if isinstance(info.get("objects"), list):
            info["objects"] = [Fields(each) if isinstance(each, dict) else each for each in info["objects"]]
        for key, kind in (("prompt", str), ("embodiment", str), ("prompt_assets", dict), ("seed", int)):
            if not isinstance(info.get(key), kind):
                raise UIO2Error(f"`{key}` is a {kind.__name__}; found {_kind(info.get(key))}")
        body, observation = embodiments.get(_registered(info["embodiment"])), request["observation"]
        played = tuple(body.action(row) for row in _rows(request.get("played", []), len(body.action_names)))
        reset = (observation, info) if begins else None
        return Asked(0, self.number, 0.0, reset, played, Change(observation), Change(info)), info

    def decided(self, info: Mapping[str, Any]) -> None:
        """Keep what was told, once it was answered for."""
        self._info, self._begun = dict(info), True


class PolicyServer:
    """Serves a policy to whoever connects; for one event loop.

    Arguments:
        batches: With the policy loaded.
        metadata: What is sent to each who connects, beside the protocol's own.
        body: The embodiment of requests that name none.
    """

    def __init__(self, batches: Batches, metadata: Mapping[str, Any], body: str | None = None):
        self._batches, self._body = batches, body
        self._metadata = packed({DIALECT: VERSION, **metadata})
        self._numbers = count()
        self.served = self.refused = 0
        """Requests that were answered, and those that got an error."""

    async def listen(self, host: str, port: int) -> Any:
        """Return the listening server, which is closed by its `async with`; `sockets` tell its port.

        Raises RolloutError when it cannot listen there.
        """
        from websockets.asyncio.server import serve

        try:
            return await serve(
                self._serve,
                host,
                port,
                process_request=_health,
                origins=[None],  # a browser names the page that asks; no page of others may
                compression=None,
                max_size=LARGEST,
            )
        except (OSError, OverflowError) as error:
            raise RolloutError(f"cannot serve on {host}:{port} ({error}): choose another port=") from None

    async def _serve(self, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        client, previous = Client(next(self._numbers), self._body), None
        try:
            await socket.send(self._metadata)
            async for message in socket:
                began = time.perf_counter()
                reply = await self._answered(client, message, previous)
                await socket.send(reply)
                previous = 1000 * (time.perf_counter() - began)
        except ConnectionClosed:
            pass
        finally:
            await self._batches.leave(client.number)

    async def _answered(self, client: Client, message: Any, previous: float | None) -> bytes | str:
        """The reply, or the words of an error, after which the episode is where it was."""
        began = time.perf_counter()
        try:
            if not isinstance(message, bytes):
                raise UIO2Error("a request is bytes (msgpack); found text")
            asked, info = client.asked(unpacked(message))
            reply = await self._batches.act(client.number, [asked])
            if isinstance(reply.decisions, Failure):
                raise UIO2Error(reply.decisions.said)
            answer = written(reply.decisions[0], info)
            client.decided(info)
            timing = {"infer_ms": 1000 * (time.perf_counter() - began), "batch": reply.batch}
            if previous is not None:
                timing["prev_total_ms"] = previous
            self.served += 1
            return packed({**answer, "server_timing": timing})
        except Exception as error:  # whatever a request made somebody's policy do is its sender's to hear
            self.refused += 1
            return str(error) if isinstance(error, UIO2Error) else described(error)


def written(decision: Decision, info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a decision: `actions`, one row, and how the policy put it in words. UIO2Error
    for a decision that failed.
    """
    for found in (decision.action, decision.answer, decision.text):
        if isinstance(found, Failure):
            raise UIO2Error(found.said)
    body = embodiments.get(info["embodiment"])
    answer = decision.answer
    return {
        "actions": body.vector(body.checked(decision.action))[None],
        "action_text": decision.text,
        "answer": None if answer is None else answer.text,
        "tokens": None if answer is None or answer.tokens is None else np.asarray(answer.tokens).tolist(),
    }


def _registered(name: str) -> str:
    """Somebody's request names a body that is known; it imports no module here."""
    if name not in (known := embodiments.names()):
        raise UIO2Error(f"`embodiment` is one of {', '.join(known)}; found {name[:80]!r}")
    return name


def _rows(played: Any, columns: int) -> list[np.ndarray]:
    if not isinstance(played, list) or not all(
        isinstance(row, np.ndarray) and row.shape == (columns,) and row.dtype.kind in "iuf" for row in played
    ):
        raise UIO2Error(f"`played` is a list of actions, arrays of {columns} numbers")
    return [row.astype(np.float32) for row in played]


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"a map of {', '.join(map(str, list(value)[:8])) or 'nothing'}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _health(connection: Any, request: Any) -> Any:
    return connection.respond(HTTPStatus.OK, "OK\n") if request.path == HEALTH else None


def only_body(policy: Policy) -> str | None:
    """The embodiment of a policy that learned one."""
    styles = getattr(policy, "style", None)
    return next(iter(styles)) if isinstance(styles, dict) and len(styles) == 1 else None


def columns() -> dict[str, dict[str, list[str]]]:
    """What the numbers of `actions` mean, and the cameras, for each embodiment."""
    bodies = {name: embodiments.get(name) for name in embodiments.names()}
    return {
        name: {"actions": list(body.action_names), "cameras": list(body.cameras)}
        for name, body in bodies.items()
    }
