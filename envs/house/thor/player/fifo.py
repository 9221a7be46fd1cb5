"""Talking through two named pipes: the Controller's default on Linux and macOS.

A message is a row of fields, each with a header of five bytes: its type and, big-endian, its length. The
player speaks first, and opens its ear only then, for the Controller opens its mouth with its first action.

Source: the wire format of ai2thor 5.0's FifoServer.
"""

import os
import select
import struct
import time
from typing import Any

import msgpack

from envs.house.thor.player.messages import Message, decoded

_HEADER = struct.Struct("!BI")
_METADATA, _ACTION, _END = 1, 2, 255
_PATIENCE_S = 300.0
"""How long a Controller that was never there is waited for."""
_LONGEST = 1 << 28
"""Bytes of one field."""


class Pipes:
    """The player's end of both pipes.

    Arguments:
        mouth: path of the pipe that the player writes.
        ear: path of the pipe that the Controller writes.
    """

    def __init__(self, mouth: str, ear: str) -> None:
        self._ear_path = ear
        self._mouth = _open_to_write(mouth)
        self._ear: int | None = None

    def exchange(self, message: Message) -> dict[str, Any] | None:
        """Send a state and return the action that answers it; None where the Controller has gone."""
        fields = [(_METADATA, msgpack.packb(message.metadata, use_single_float=False))]
        fields += [(kind.fifo, pixels) for kind, pixels in message.pictures]
        try:
            for number, body in (*fields, (_END, b"")):
                self._write(_HEADER.pack(number, len(body)) + body)
            return self._action()
        except (BrokenPipeError, EOFError):
            return None

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._mouth, left) :]

    def _action(self) -> dict[str, Any]:
        if self._ear is None:
            self._ear = os.open(self._ear_path, os.O_RDONLY | os.O_NONBLOCK)
            self._await_first()
            os.set_blocking(self._ear, True)
        action: dict[str, Any] = {}
        while True:
            number, length = _HEADER.unpack(self._read(_HEADER.size))
            if length > _LONGEST:
                raise EOFError(f"a field of {length} bytes")
            body = self._read(length)
            if number == _END:
                return action
            if number == _ACTION:
                action = decoded(body)

    def _await_first(self) -> None:
        """Wait until the Controller speaks or stops listening: before it first writes, an empty pipe tells
        nothing.
        """
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        poll.register(self._mouth, 0)
        while True:
            for descriptor, events in poll.poll():
                if descriptor == self._ear and events & select.POLLIN:
                    return
                raise EOFError("the Controller has gone")

    def _read(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.read(self._ear, count)
            if not part:
                raise EOFError("the Controller has gone")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        for descriptor in (self._mouth, self._ear):
            if descriptor is not None:
                os.close(descriptor)


def _open_to_write(path: str) -> int:
    """Open a pipe once somebody reads it. ConnectionError where nobody comes, or the starter has gone."""
    starter, until = os.getppid(), time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and os.getppid() == starter:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            break
        except OSError:  # nobody reads yet
            time.sleep(0.005)
            continue
        os.set_blocking(descriptor, True)
        return descriptor
    raise ConnectionError(f"no Controller reads {path}")
