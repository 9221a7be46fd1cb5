"""The server behind `uio2 play`, over real sockets: who is answered, and what broken requests come to."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest

from rollouts.pages.local_server import LocalServer, Refusal, Reply, json_reply

JSON = {"Content-Type": "application/json"}
FOREIGN = "http://evil.example"


class Echo(LocalServer):
    """Gives back what was posted."""

    def reply(self, path: str, asked: Mapping[str, Any] | None) -> Reply:
        if path == "/missing":
            raise Refusal(404, "nothing here")
        if path == "/faulty":
            raise Unprintable
        if path == "/exit":
            raise SystemExit(3)
        if path == "/large":
            return Reply(200, "text/plain", bytes(8 * 2**20))
        return json_reply({"path": path, "asked": asked})


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture
def server(capfd: pytest.CaptureFixture[str]) -> Iterator[Echo]:
    with Echo(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    printed = capfd.readouterr()
    assert not printed.out and not printed.err, "the terminal belongs to the person"


def port(server: Echo) -> int:
    return server.server_address[1]


def ask(
    server: Echo, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> tuple[int, Any, http.client.HTTPMessage]:
    with closing(http.client.HTTPConnection("127.0.0.1", port(server), timeout=20)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        reply = connection.getresponse()
        assert reply.headers.get_content_type() == "application/json"
        return reply.status, json.loads(reply.read()), reply.headers


def raw(server: Echo, *parts: bytes) -> list[tuple[int, Any]]:
    """Every answer on one connection to some bytes, which end there."""
    with socket.create_connection(("127.0.0.1", port(server)), timeout=20) as client:
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: client.recv(65536), b""))
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answers.append((int(head.split()[1]), json.loads(data[:length])))
        data = data[length:]
    return answers


def head(server: Echo, *lines: str, request: str = "POST /act HTTP/1.1") -> bytes:
    given = [request, f"Host: 127.0.0.1:{port(server)}", "Content-Type: application/json", *lines]
    return ("\r\n".join(given) + "\r\n\r\n").encode("latin-1")


def good(server: Echo) -> bytes:
    return head(server, "Content-Length: 8") + b'{"a": 1}'


ANSWERED = (200, {"path": "/act", "asked": {"a": 1}})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_machines_names_are_answered(server: Echo, name: str) -> None:
    host = f"{name}:{port(server)}"
    own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert ask(server, "GET", "/state", {"Host": host})[0] == 200
    assert ask(server, "GET", "/state", own | {"Sec-Fetch-Site": "none"})[0] == 200
    assert ask(server, "POST", "/act", JSON | own, b'{"a": 1}')[:2] == ANSWERED


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:{port}"},  # DNS rebinding
        {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1"},
        {"Host": "user@127.0.0.1:{port}"},
        {"Host": ""},
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://localhost:{port}"},  # another origin than 127.0.0.1
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_other_sites_are_refused(server: Echo, method: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(port=port(server)) for name, value in headers.items()}
    status, answer, _ = ask(server, method, "/act", JSON | sent, b'{"a": 1}' if method == "POST" else None)
    assert status == 403 and list(answer) == ["error"]


def test_a_link_on_another_page_opens_ours_but_posts_nothing(server: Echo) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    status, _, headers = ask(server, "GET", "/", followed)
    assert status == 200 and headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert ask(server, "POST", "/act", JSON | followed, b"{}")[0] == 403


def test_two_hosts_and_none_are_refused(server: Echo) -> None:
    two = head(server, "Host: evil.example", "Content-Length: 2") + b"{}"
    none = b"GET / HTTP/1.1\r\n\r\n"
    assert [[status for status, _ in raw(server, sent)] for sent in (two, none)] == [[403], [403]]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", ""]
)
def test_what_a_form_can_send_is_refused(server: Echo, kind: str) -> None:
    assert ask(server, "POST", "/act", {"Content-Type": kind}, b'{"a": 1}')[0] == 400


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"])
def test_other_methods_are_refused_and_nothing_is_granted(server: Echo, method: str) -> None:
    status, answer, headers = ask(server, method, "/act", {"Origin": FOREIGN})
    assert status == 405 and list(answer) == ["error"]
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 9_000, 400),  # deep
        (b'{"a":' * 1_500, 400),
        (b"[" * 100_000, 413),
        (b'{"a": "' + b"x" * 500_000 + b'"}', 413),
        (b"\xff\xfe\xfa", 400),
        (b'{"a": "\xe9"}', 400),
        (b'{"a": NaN}', 400),
        (b'{"a": -Infinity}', 400),
        (b'{"a": ' + b"9" * 5_000 + b"}", 400),
        (b"[1]", 400),
        (b"", 400),
    ],
)
def test_a_broken_body_is_one_answer_and_the_connection_goes_on(
    server: Echo, body: bytes, status: int
) -> None:
    broken = head(server, f"Content-Length: {len(body)}") + body
    (code, answer), after = raw(server, broken, good(server))
    assert code == status and list(answer) == ["error"] and after == ANSWERED


def test_refused_senders_and_missing_pages_leave_the_connection_usable(server: Echo) -> None:
    foreign = head(server, "Origin: http://evil.example", "Content-Length: 8") + b'{"a": 1}'
    missing = head(server, "Content-Length: 2", request="POST /missing HTTP/1.1") + b"{}"
    with_body = head(server, "Content-Length: 2", request="GET /state HTTP/1.1") + b"{}"
    statuses = [status for status, _ in raw(server, foreign, missing, with_body, good(server))]
    assert statuses == [403, 404, 200, 200]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], 411),
        (["Content-Length: -1"], 400),
        (["Content-Length: x"], 400),
        (["Content-Length: +2"], 400),
        (["Content-Length: 1_0"], 400),
        (["Content-Length: \u00b2"], 400),
        (["Content-Length: " + "9" * 5000], 400),
        (["Content-Length: 2", "Content-Length: 3"], 400),
        (["Content-Length: 99999999999"], 413),
        (["Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: chunked", "Content-Length: 2"], 411),
        (["Content-Length : 2"], 400),
        (["Content-Length: 5"], 400),  # three bytes never come
        ([f"X-{i}: 1" for i in range(200)], 431),
        (["X: " + "y" * 70_000], 431),
    ],
)
def test_a_length_that_is_none_is_one_answer(server: Echo, lines: list[str], status: int) -> None:
    answers = raw(server, head(server, *lines) + b"{}")
    assert answers[0][0] == status and list(answers[0][1]) == ["error"]
    assert raw(server, good(server)) == [ANSWERED]


def test_a_body_too_long_to_read_is_answered_while_it_is_sent(server: Echo) -> None:
    size = 50 * 2**20
    (answer,) = raw(server, head(server, f"Content-Length: {size}"), bytes(size))
    assert answer[0] == 413 and "at most 10000" in answer[1]["error"]


@pytest.mark.parametrize(
    "first",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"],
)
def test_what_is_no_request_is_answered(server: Echo, first: bytes) -> None:
    (answer,) = raw(server, first)
    assert 400 <= answer[0] < 506 and list(answer[1]) == ["error"]


def test_a_fault_behind_it_is_said_on_the_page(server: Echo) -> None:
    status, answer, _ = ask(server, "GET", "/faulty")
    assert status == 500 and "Unprintable" in answer["error"]
    assert ask(server, "GET", "/exit")[:2] == (500, {"error": "SystemExit: 3"})


@pytest.mark.parametrize("count", [50, 200])
def test_requests_in_parallel_are_all_answered(server: Echo, count: int) -> None:
    together = threading.Barrier(count)

    def one(number: int) -> bool:
        together.wait(60)
        body = json.dumps({"number": number}).encode()
        return ask(server, "POST", "/act", JSON, body)[1]["asked"] == {"number": number}

    with ThreadPoolExecutor(count) as threads:
        assert sum(threads.map(one, range(count))) == count


def test_clients_that_leave_or_dawdle_hold_up_nobody(server: Echo) -> None:
    """Nothing is printed about them, either: the fixture looks."""
    server.patience_s = 1.0
    sent = good(server)
    dawdling = [socket.create_connection(("127.0.0.1", port(server)), timeout=20) for _ in range(30)]
    for client in dawdling:
        client.sendall(sent[:20])
    for part in (b"GET", sent[:-3], head(server, request="GET /large HTTP/1.1")):
        leaving = socket.create_connection(("127.0.0.1", port(server)), timeout=20)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # leave with a reset
        leaving.sendall(part)
        time.sleep(0.05)
        leaving.close()
    began = time.monotonic()
    assert raw(server, sent) == [ANSWERED] and time.monotonic() - began < 0.9
    for place in range(20, 80):  # a byte now and then buys no time
        time.sleep(0.02)
        for client in dawdling:
            with suppress(ConnectionError):
                client.sendall(sent[place : place + 1])
    for client in dawdling:
        client.settimeout(0.2)
        with suppress(ConnectionResetError):
            assert client.recv(1000) == b"", "the connection was closed"
        client.close()


def test_a_body_that_does_not_come_is_answered(server: Echo) -> None:
    server.patience_s = 0.3
    with socket.create_connection(("127.0.0.1", port(server)), timeout=20) as client:
        client.sendall(head(server, "Content-Length: 9"))
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")
