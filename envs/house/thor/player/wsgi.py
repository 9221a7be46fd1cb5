"""Talking by HTTP: the Controller's default on Windows, and its `server_class=WsgiServer` elsewhere.

Unusual: each message opens a connection of its own, because Werkzeug from 2.1.2 on closes one after its
answer and forgets what else was sent on it. The form is spelled as the Controller's parser wants it:
`Content-Type` first, `Content-disposition` with a small d.

Source: the wire format of ai2thor 5.0's WsgiServer.
"""

import http.client
import json
import uuid
from typing import Any

from envs.house.thor.player.messages import Message, decoded


class Form:
    """The player's end.

    Arguments:
        host, port: where the Controller listens.
        token: what it knows its player by, "" for none.
    """

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host, self._port, self._token = host, port, token
        self._met = False

    def exchange(self, message: Message) -> dict[str, Any] | None:
        """Send a state and return the action that answers it; None where the Controller has ended or gone.

        Raises ConnectionError where it refuses this player, or was never there.
        """
        boundary = uuid.uuid4().hex
        fields = [("metadata", json.dumps(message.metadata).encode()), ("token", self._token.encode())]
        parts = [
            _part(boundary, f'name="{name}"', 'text/plain; charset="utf-8"', body) for name, body in fields
        ]
        parts += [
            _part(boundary, f'name="{kind.form}"; filename="{kind.form}"', "image/raw", pixels)
            for kind, pixels in message.pictures
        ]
        body = b"".join([*parts, b"--", boundary.encode(), b"--\r\n"])
        connection = http.client.HTTPConnection(self._host, self._port)
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Connection": "close"}
            connection.request("POST", "/train", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            if not self._met:
                raise ConnectionError(f"no Controller answers at {self._host}:{self._port}") from error
            return None
        finally:
            connection.close()
        if answer.status != 200:
            raise ConnectionError(f"the Controller at {self._host}:{self._port} answers {answer.status}")
        self._met = True
        return decoded(text) or None

    def close(self) -> None:
        """There is nothing open between messages."""


def _part(boundary: str, names: str, kind: str, body: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Type: {kind}\r\nContent-disposition: form-data; {names}\r\n\r\n"
    return head.encode() + body + b"\r\n"
