"""A web server for a page on this machine: it listens on 127.0.0.1 and answers its own page alone.

A page of another site reaches this port, too: by a form, or under a name of its own that it points at
127.0.0.1 (DNS rebinding). So a request is answered only if `Host` is this machine's own name with this port,
`Origin` and `Sec-Fetch-Site` name no other site, and what is posted is JSON, which a browser sends nowhere
else unasked. Whatever is wrong with a request, the answer is one JSON object `{"error": …}`. A connection
serves one request after the other, and each has its time.

Knows HTTP; what is asked and answered is its subclass's business.
"""

import io
import json
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from traceback import format_exception_only
from typing import Any, NamedTuple

from rollouts.errors import RolloutError

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost", "[::1]")
_LONGEST = 10_000
"""Bytes of a request's body."""
_READ_ANYWAY = 2**20
"""Bytes up to which a longer body is read past, so that the connection goes on."""
_LENGTH = re.compile(r"[0-9]{1,18}")


class Reply(NamedTuple):
    """What is sent back."""

    status: int
    kind: str
    """The content type."""
    body: bytes


class Refusal(Exception):
    """A request that is not met: an HTTP status and a line that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def json_reply(value: Mapping[str, Any], status: int = 200) -> Reply:
    """Return a reply that is a JSON object."""
    return Reply(status, "application/json", json.dumps(value).encode())


class LocalServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1. Raises RolloutError when the port is taken."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024
    patience_s = 20.0
    """How long a connection may take to bring a whole request, or to take its answer."""

    def __init__(self, port: int) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise RolloutError(f"cannot serve on {HOST}:{port} ({error}): choose another port=") from None
        port = self.server_address[1]
        self.hosts = {f"{name}:{port}" for name in _NAMES} | (set(_NAMES) if port == 80 else set())

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"

    def reply(self, path: str, asked: Mapping[str, Any] | None) -> Reply:
        """Answer a request; `asked` is the JSON object that was posted, None for a GET. May raise Refusal."""
        raise NotImplementedError


class _Timed(io.RawIOBase):
    """Reads a socket until a moment, however slowly bytes come; TimeoutError after it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LocalServer

    def setup(self) -> None:
        super().setup()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)
        self._unread = False

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # the other side is gone: nobody to answer
            super().handle()

    def handle_one_request(self) -> None:
        self._timed.until = time.monotonic() + self.server.patience_s
        super().handle_one_request()

    def finish(self) -> None:
        super().finish()
        if self._unread:  # closed with bytes unread, the connection would be reset before the answer is seen
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self._timed.until = time.monotonic() + self.server.patience_s
                while self._timed.readinto(bytearray(65536)):
                    pass

    def do_GET(self) -> None:
        try:
            body = self._body()
            self._check_sender()
            asked = self._object(body) if self.command == "POST" else None
            reply = self._reply(asked)
        except Refusal as refusal:
            reply = json_reply({"error": str(refusal)}, refusal.status)
        self._send(reply)

    do_POST = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request whose head the base class cannot read, or a method there is none for."""
        self._end()
        status = 405 if code == HTTPStatus.NOT_IMPLEMENTED else code
        self._send(json_reply({"error": message or HTTPStatus(code).phrase}, status))

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: the terminal belongs to the person."""

    def _end(self) -> None:
        """Let this answer be the connection's last: where its next request begins is not known."""
        self.close_connection = self._unread = True

    def _body(self) -> bytes:
        lengths = {length.strip() for length in self.headers.get_all("Content-Length", [])}
        if self.headers.defects:
            self._end()
            raise Refusal(400, "the head of this request cannot be read")
        if "Transfer-Encoding" in self.headers:
            self._end()
            raise Refusal(411, "a body comes whole, with its Content-Length, and not in chunks")
        if not lengths and self.command == "POST":
            raise Refusal(411, "a body needs its Content-Length")
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            self._end()
            raise Refusal(400, "Content-Length is one number of bytes")
        length = int(lengths.pop()) if lengths else 0
        if length > _READ_ANYWAY:
            self._end()
        else:
            try:
                body = self.rfile.read(length)
            except TimeoutError:
                self._end()
                raise Refusal(408, f"the body did not come within {self.server.patience_s:g} s") from None
            if len(body) < length:
                self._end()
                raise Refusal(400, f"a body of {length} bytes was announced, {len(body)} came")
        if length > _LONGEST:
            raise Refusal(413, f"a request is a small JSON object: {length} bytes, at most {_LONGEST}")
        return body

    def _check_sender(self) -> None:
        """Raise Refusal unless the request comes from this machine's own page."""
        hosts = [host.strip().lower() for host in self.headers.get_all("Host", [])]
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            raise Refusal(403, f"this page is served as {self.server.address} alone")
        origins = self.headers.get_all("Origin", [])
        if any(origin.strip().lower() != f"http://{hosts[0]}" for origin in origins):
            raise Refusal(403, "pages of other sites are not answered")
        site, mode, shown = (self.headers.get(f"Sec-Fetch-{name}", "") for name in ("Site", "Mode", "Dest"))
        followed = self.command == "GET" and (mode, shown) == ("navigate", "document")  # a link, opened
        if site not in ("", "none", "same-origin") and not followed:
            raise Refusal(403, "pages of other sites are not answered")

    def _object(self, body: bytes) -> dict[str, Any]:
        """Return the JSON object that was posted."""
        try:
            asked = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):  # broken, not in Unicode, too deep, a number too long
            asked = None
        if not isinstance(asked, dict) or self.headers.get_content_type() != "application/json":
            raise Refusal(400, "a request is a small JSON object, of type application/json")
        return asked

    def _reply(self, asked: Mapping[str, Any] | None) -> Reply:
        try:
            return self.server.reply(self.path.partition("?")[0], asked)
        except Refusal:
            raise
        except BaseException as error:  # a fault of what is served, SystemExit among them: the page says it
            raise Refusal(500, "".join(format_exception_only(error)).strip()) from None

    def _send(self, reply: Reply) -> None:
        self.connection.settimeout(self.server.patience_s)
        self.request_version = self.protocol_version  # the base class omits the head for HTTP/0.9
        self.send_response(reply.status)
        for name, value in (
            ("Content-Type", reply.kind),
            ("Content-Length", len(reply.body)),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "frame-ancestors 'none'"),  # another page's frame could lure clicks
        ):
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
