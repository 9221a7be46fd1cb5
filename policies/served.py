"""A policy that somebody serves over a websocket, as openpi does: `policy=ws://host:port`.

Each slot has a connection of its own, so that a server that keeps state keeps it apart. All slots ask before
the first reply is waited for, so a server that batches can. Unusual: a reply waits in its slot's plan until
`act` returns, because a joint call that raised is repeated slot by slot, and a server that counts steps must
not be asked twice.

A server of ours (its metadata say `uio2`) is told observation and info as the environment gave them. Anybody
else's gets the fields that `keys` names. It refuses to know what is behind the server.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy, PolicyLost, Step
from policies.embodiments.base import Embodiment
from policies.prompts import described_prompt
from policies.wire import LARGEST, WireError, msgpack, packed, unpacked
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Answer

DIALECT = "uio2"
"""Key of a server's metadata that says it takes what environments return; its value is the version."""
VERSION = 1
_AGAIN_S = 0.2
_FIRST_S = 10.0
_OWN_KEYS = ("observation", "reset", "played")
_KEYS = """policy_args.keys='{"observation/image": "front", "observation/state": "state"}'"""


class ServerLost(UIO2Error, PolicyLost):
    """Nobody answers at the address, or not in time."""


@dataclass
class _Slot:
    """A running episode and its connection."""

    body: Embodiment
    socket: Any
    told: Mapping[str, Any] = field(default_factory=dict)
    """The info that the server has."""
    begun: bool = False
    """Whether the server has answered for this episode."""
    played: list[np.ndarray] = field(default_factory=list)
    plan: list[Any] = field(default_factory=list)
    """Actions of the last reply that are still to be carried out."""
    answer: Answer | None = None
    text: str | None = None


class ServedPolicy(Policy):
    """Ask the server at an address.

    Arguments:
        address: `ws://host:port`, or `wss://`.
        timeout: Most seconds for a reply.
        connect_timeout: Most seconds in which a server may come back.
        keys: Key of a request → what it holds, for servers that are not ours: a camera of the body (uint8
            H W 3), or `state` (float32). `prompt`, in words, is sent in any case.
        chunk: Actions of a reply that are carried out before the next is asked for.

    Raises:
        ServerLost: Nobody answers there.
        UIO2Error: A server that is not ours and no `keys`, or an argument that is not possible.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        keys: Mapping[str, str] | None = None,
        chunk: int = 1,
    ) -> None:
        if not (timeout > 0 and connect_timeout > 0 and chunk >= 1):
            raise UIO2Error(
                f"timeout={timeout}, connect_timeout={connect_timeout}, chunk={chunk}: the first two are "
                "seconds above 0, the last at least 1"
            )
        self.address, self._timeout, self._patience = address, timeout, connect_timeout
        self._keys, self._chunk = keys, chunk
        self._slots: dict[int, _Slot] = {}
        if keys and not isinstance(keys, Mapping):
            raise UIO2Error(f"keys={keys!r:.80}: a map of texts, such as {_KEYS}")
        metadata = server_metadata(address)[0]
        self._ours = metadata.get(DIALECT) == VERSION
        if not self._ours and not keys:
            raise UIO2Error(
                f"policy={address}: no server of uio2 serve, version {VERSION}; say what it takes, "
                f"such as {_KEYS}"
            )
        self.name = str(metadata.get("policy", address))
        self.vocabulary_hash = str(metadata.get("vocabulary_hash", ""))

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        if (before := self._slots.pop(slot, None)) is not None and self._ours:
            socket = before.socket
        else:
            if before is not None:
                before.socket.close()
            socket = self._connected()
        self._slots[slot] = _Slot(embodiments.of(info), socket)

    def act(self, steps: list[Step]) -> list[Any]:
        asking = [step for step in steps if not self._slots[step.slot].plan]
        for step in asking:
            self._send(step)
        failures = []
        for step in asking:  # all of them, so that no reply is left for the next question
            try:
                self._receive(step)
            except ServerLost:
                raise
            except UIO2Error as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return [self._slots[step.slot].plan.pop(0) for step in steps]

    def played(self, slot: int, action: Any) -> None:
        self._slots[slot].played.append(self._slots[slot].body.vector(action))

    def answer(self, slot: int) -> Answer | None:
        return self._slots[slot].answer

    def action_text(self, slot: int) -> str | None:
        return self._slots[slot].text

    def close(self) -> None:
        """Close all connections."""
        self._forget()

    def _send(self, step: Step) -> None:
        slot = self._slots[step.slot]
        message = self._told(slot, step) if self._ours else self._asked(slot, step)
        try:
            slot.socket.send(message)
        except _closed():
            self._again(slot)
            slot.socket.send(self._told(slot, step) if self._ours else message)

    def _told(self, slot: _Slot, step: Step) -> bytes:
        """What a server of ours is sent: of the info, what it does not have yet."""
        known = slot.told if slot.begun else {}
        info = {
            key: value
            for key, value in step.info.items()
            if key not in _OWN_KEYS and (key not in known or known[key] is not value)
        }
        own = {"observation": step.observation, "reset": not slot.begun, "played": slot.played}
        try:
            return packed({**info, **own})
        except WireError:
            return packed({**{key: value for key, value in info.items() if _travels(value)}, **own})

    def _asked(self, slot: _Slot, step: Step) -> bytes:
        """What anybody's server is sent."""
        offered = {
            **slot.body.views(step.observation),
            "state": slot.body.state(step.observation, step.info),
        }
        for key, name in self._keys.items():
            if name not in offered:
                raise UIO2Error(f"keys: {key} cannot be {name!r}; choose from {', '.join(offered)}")
        words = described_prompt(step.info["prompt"], step.info["prompt_assets"])
        return packed({"prompt": words, **{key: offered[name] for key, name in self._keys.items()}})

    def _receive(self, step: Step) -> None:
        slot = self._slots[step.slot]
        try:
            reply = slot.socket.recv(timeout=self._timeout)
        except TimeoutError:
            self._forget()
            raise ServerLost(f"policy={self.address}: no reply within timeout={self._timeout:g} s") from None
        except _closed() as error:
            self._again(slot)
            self._send(step)
            try:
                reply = slot.socket.recv(timeout=self._timeout)
            except (TimeoutError, _closed()):
                self._forget()
                raise ServerLost(f"policy={self.address}: the connection was lost twice, {error}") from None
        if isinstance(reply, str):
            lines = reply.strip().splitlines() or ["nothing"]
            raise UIO2Error(f"policy={self.address}: the server said: {lines[-1][:500]}")
        self._read(slot, step, unpacked(reply))

    def _read(self, slot: _Slot, step: Step, reply: Any) -> None:
        columns = slot.body.action_names
        actions = reply.get("actions") if isinstance(reply, dict) else None
        if not isinstance(actions, np.ndarray) or actions.dtype.kind not in "iuf" or not actions.size:
            raise UIO2Error(f"policy={self.address}: the reply has no array `actions`")
        rows = np.atleast_2d(actions).astype(np.float32)
        if rows.ndim > 2 or rows.shape[1] != len(columns):
            raise UIO2Error(
                f"policy={self.address}: actions of shape {actions.shape}; a step of {slot.body.name} is "
                f"{len(columns)} numbers: {', '.join(columns)}"
            )
        slot.plan = [slot.body.action(row) for row in rows[: self._chunk]]
        slot.text = reply.get("action_text")
        tokens = reply.get("tokens")
        slot.answer = None if tokens is None else Answer(text=reply.get("answer"), tokens=np.asarray(tokens))
        slot.told, slot.begun, slot.played = dict(step.info), True, []

    def _again(self, slot: _Slot) -> None:
        """Connect once more, where nothing that the server kept is lost with the connection."""
        if self._ours and slot.begun:
            self._forget()
            raise ServerLost(
                f"policy={self.address}: the connection was lost in the middle of an episode, and with it "
                "what the server knew of it"
            )
        slot.socket = self._connected()

    def _forget(self) -> None:
        """Leave all connections: on none of them is it known any more which reply comes next."""
        for slot in self._slots.values():
            slot.socket.close()
        self._slots.clear()

    def _connected(self) -> Any:
        return _connected(self.address, self._patience)[0]


def server_metadata(address: str) -> tuple[dict[str, Any], bytes]:
    """Return what a server says of itself, and the bytes of that.

    Raises:
        ServerLost: Nobody answers there.
        UIO2Error: Something else than a policy server.
    """
    socket, metadata, written = _connected(address, 0)
    socket.close()
    return metadata, written


def server_identity(address: str) -> str:
    """Return a digest of what a server says of itself."""
    return hashlib.sha256(server_metadata(address)[1]).hexdigest()


def _connected(address: str, patience: float) -> tuple[Any, dict[str, Any], bytes]:
    """A connection, the metadata that came first, and their bytes. Tries for `patience` seconds."""
    msgpack()  # says what to install
    from websockets.exceptions import InvalidURI, WebSocketException
    from websockets.sync.client import connect

    until = time.monotonic() + patience
    while True:
        try:
            socket = connect(address, compression=None, max_size=LARGEST).__enter__()  # closed by its slot
            break
        except InvalidURI as error:
            raise UIO2Error(f"policy={address}: {error}; write ws://host:port") from None
        except (OSError, WebSocketException) as error:  # TimeoutError is an OSError
            if time.monotonic() + _AGAIN_S > until:
                raise ServerLost(
                    f"policy={address}: no policy server answers there ({error or type(error).__name__}); "
                    "is it running (uio2 serve POLICY), and is the address right?"
                ) from None
            time.sleep(_AGAIN_S)
    try:
        written = socket.recv(timeout=_FIRST_S)
        metadata = unpacked(written) if isinstance(written, bytes) else None
    except (TimeoutError, WireError, WebSocketException):
        metadata = None
    if not isinstance(metadata, dict):
        socket.close()
        raise UIO2Error(
            f"policy={address}: what answers there sent no metadata first: it is no policy server"
        )
    return socket, metadata, written


def _closed() -> type[Exception]:
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed


def _travels(value: Any) -> bool:
    try:
        packed(value)
    except WireError:
        return False
    return True
