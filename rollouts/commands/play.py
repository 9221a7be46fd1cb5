"""`uio2 play`: a person acts with the mouse, on a page served to this machine only.

The page shows the prompt with its pictures and one camera's view; clicks in it are an action, as the
embodiment says, and a slider turns what is carried. Everything that touches the environment runs on one
thread, because a renderer belongs to the thread that opened it, while requests may come on several at once.
Knows no task and draws nothing itself.
"""

import io
import json
import math
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import envs
from envs.errors import EnvError
from policies import embodiments
from rollouts.errors import RolloutError
from rollouts.pages.pictures import thumbnail
from rollouts.runner import Work
from rollouts.workers import MakeEnv
from rollouts.worklist import one_task
from uio2_agent.errors import UIO2Error

HOST = "127.0.0.1"
_FILES = {
    "/": ("play.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
_PARTS = re.compile(r"\{(\w+)\}")
_LONGEST_REQUEST = 10_000
PAGES = Path(__file__).parents[1] / "pages"


def main(keys: Mapping[str, Any]) -> int:
    """`uio2 play`: serve the page until Ctrl-C, then say how many episodes were solved."""
    level, tasks = one_task(keys["env"], keys["task"], keys["level"])
    work = Work(index=0, env=keys["env"], task=tasks[0], level=level, seed=keys["seed"])
    kwargs = dict(keys["env_kwargs"])
    kwargs = {**envs.suite(keys["env"]).play_options(kwargs), **kwargs}
    game = Game(lambda: MakeEnv(kwargs)(work), work.seed)
    try:
        server = Server(game, keys["port"])
        print(f"page     {server.address}   (Ctrl-C ends)", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print(f"\nsolved   {game.solved} of {game.ended} episodes played to their end")
    finally:
        game.close()
    return 0


class Game:
    """One environment and the episode a person plays in it; safe to call from any thread."""

    def __init__(self, make_env: Callable[[], Any], seed: int) -> None:
        self.solved = self.ended = 0
        self._worker = ThreadPoolExecutor(1)
        self._env = self._worker.submit(make_env).result()
        self._do(self._reset, seed)

    def close(self) -> None:
        """Close the environment."""
        self._do(self._env.close)
        self._worker.shutdown()

    def state(self) -> dict[str, Any]:
        """Return what the page shows besides pictures, as plain values.

        `prompt` is a list of words and of names of pictures, `{"text": …}` or `{"picture": …}`; `status` is
        empty until the episode ends.
        """
        return self._do(self._state)

    def start(self, seed: int) -> dict[str, Any]:
        """Begin the episode of a seed; returns the state."""
        self._do(self._reset, seed)
        return self.state()

    def act(self, points: Any, turn: Any = 0.0) -> dict[str, Any]:
        """Carry out one action and return the state.

        `points` are those that the embodiment's controls ask for, in the picture that is clicked, (across,
        down) from 0 to 1; `turn` is by how many degrees what is carried is turned clockwise, as seen there.
        Raises RolloutError when these are no such numbers or the episode is over.
        """
        self._do(self._step, points, turn)
        return self.state()

    def picture(self, name: str) -> bytes | None:
        """Return a picture as PNG: a camera's view as it is now, or one of the prompt's; None if there is
        none of that name.
        """
        return self._do(self._picture, name)

    # on the thread of the environment

    def _do(self, function: Callable, *arguments: Any) -> Any:
        return self._worker.submit(function, *arguments).result()

    def _reset(self, seed: int) -> None:
        self._observation, self._info = self._env.reset(seed=seed)
        self._steps, self._status = 0, ""
        self._body = embodiments.of(self._info)

    def _now(self) -> np.ndarray:
        return self._body.state(self._observation, self._info)

    def _step(self, points: Any, turn: Any) -> None:
        if self._status:
            raise RolloutError(f"this episode ended in {self._status}: start the next one")
        wanted = len(self._body.controls(self._now()).points)
        if not isinstance(points, list) or len(points) != wanted:
            raise RolloutError(f"an action is {wanted} points, found {points!r}")
        clicked = [tuple(_numbers(point, 2)) for point in points]
        action = self._body.checked(self._body.clicked(clicked, _numbers(turn, 1)[0], self._now()))
        self._observation, _, terminated, truncated, self._info = self._env.step(action)
        self._steps += 1
        if terminated or truncated:
            self._status = (
                "success" if self._info["success"] else "failure" if self._info["failure"] else "truncated"
            )
            self.ended += 1
            self.solved += self._info["success"]

    def _state(self) -> dict[str, Any]:
        info, parts = self._info, _PARTS.split(self._info["prompt"])
        prompt = [{"picture" if i % 2 else "text": part} for i, part in enumerate(parts) if part]
        facts = {key: info[key] for key in ("task", "level", "seed", "max_steps")}
        controls = {**asdict(self._body.controls(self._now())), "cameras": list(self._body.cameras)}
        done = {"steps": self._steps, "status": self._status}
        return {**facts, "prompt": prompt, "controls": controls, **done}

    def _picture(self, name: str) -> bytes | None:
        views = self._body.views(self._observation)
        if name in views:
            image = Image.fromarray(np.ascontiguousarray(views[name]))
        elif name in self._info["prompt_assets"]:
            asset = self._info["prompt_assets"][name]
            image = thumbnail(asset, 160 if asset["placeholder_type"] == "object" else 220)
        else:
            return None
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()


class Server(ThreadingHTTPServer):
    """Serves a game on 127.0.0.1. Raises RolloutError when the port is taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, game: Game, port: int) -> None:
        self.game = game
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise RolloutError(f"cannot serve on {HOST}:{port} ({error}): choose another port=") from None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    """`/`, `/state`, `/picture/NAME`; POST `/act` {points, turn} and `/start` {seed}."""

    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in _FILES:
            name, kind = _FILES[path]
            self._answer(200, kind, (PAGES / name).read_bytes())
        elif path == "/state":
            self._json(200, self.server.game.state())
        else:
            picture = None
            if path.startswith("/picture/"):
                picture = self.server.game.picture(path.removeprefix("/picture/"))
            if picture is None:
                self._json(404, {"error": f"there is no {path}"})
            else:
                self._answer(200, "image/png", picture)

    def do_POST(self) -> None:
        game = self.server.game
        try:
            asked = self._request()
            if self.path == "/act":
                self._json(200, game.act(asked.get("points"), asked.get("turn", 0.0)))
            elif self.path == "/start":
                seed = asked.get("seed")
                if type(seed) is not int or seed < 0:
                    raise RolloutError(f"seed must be a whole number from 0 on, found {seed!r}")
                self._json(200, game.start(seed))
            else:
                self._json(404, {"error": f"there is no {self.path}"})
        except (RolloutError, EnvError, UIO2Error) as error:
            self._json(400, {"error": str(error)})

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: the terminal belongs to the person."""

    def _request(self) -> dict[str, Any]:
        try:
            length = int(self.headers.get("Content-Length", 0))
            asked = json.loads(self.rfile.read(length)) if 0 < length < _LONGEST_REQUEST else None
        except ValueError:
            asked = None
        # a page of another site cannot send JSON here without asking, and this server never agrees
        if not isinstance(asked, dict) or self.headers.get_content_type() != "application/json":
            raise RolloutError("a request is a small JSON object, of type application/json")
        return asked

    def _json(self, status: int, value: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(value).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", len(body)),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


def _numbers(value: Any, count: int) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) != count or not all(type(v) in (int, float) and math.isfinite(v) for v in values):
        raise RolloutError(f"expected {count} finite number(s), found {value!r}")
    return [float(v) for v in values]
