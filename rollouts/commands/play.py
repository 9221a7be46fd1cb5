"""`uio2 play`: a person acts with the mouse or with keys, on a page served to this machine only.

The page shows the prompt with its pictures and one camera's view. As the embodiment says, clicks in it are an
action, or a drag from one to the other, and a slider turns what is carried; or keys are actions, each of them
a button, too. Undo plays the episode again from its seed, but for its last action. With `record=`, episodes
can be saved in a dataset (`rollouts.played`); saving one that is not over ends it there. Everything that
touches the environment runs on one thread, because a renderer belongs to the thread that opened it, while
requests may come on several at once; whose requests are answered, `pages.local_server` decides.
Knows no task and draws nothing itself.
"""

import io
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import envs
from envs.errors import EnvError
from policies import embodiments
from policies.embodiments.base import Controls
from pretrain.pages.shell import STYLE
from pretrain.sources.schema import DatasetError
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.pages.local_server import LocalServer, Refusal, Reply, json_reply
from rollouts.pages.pictures import thumbnail
from rollouts.played import PlayedEpisodes
from rollouts.runner import Work
from rollouts.workers import MakeEnv
from rollouts.worklist import one_task
from uio2_agent.errors import UIO2Error

_PAGE = (Path(__file__).parents[1] / "pages" / "play.html").read_bytes()
_FILES = {
    "/": (_PAGE, "text/html; charset=utf-8"),
    "/page.css": (STYLE.encode(), "text/css; charset=utf-8"),
}
_PARTS = re.compile(r"\{(\w+)\}")
_SEEDS = 2**53
"""What a browser counts exactly."""


def main(keys: Mapping[str, Any]) -> int:
    """`uio2 play`: serve the page until Ctrl-C, then say how many episodes were solved and recorded."""
    level, tasks = one_task(keys["env"], keys["task"], keys["level"])
    work = Work(index=0, env=keys["env"], task=tasks[0], level=level, seed=keys["seed"])
    kwargs = dict(keys["env_kwargs"])
    shown = {**envs.suite(keys["env"]).play_options(kwargs), **kwargs}
    kept = None
    if keys["record"] is not None:
        root = claim(keys["record"], "record")
        kept = PlayedEpisodes(root, work.env, work.task, work.level, MakeEnv(kwargs), kwargs)
    game = Game(lambda: MakeEnv(shown)(work), work.seed, kept)
    try:
        with Server(game, keys["port"]) as server:
            print(f"page     {server.address}   (Ctrl-C ends)", flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        print(f"\nsolved   {game.solved} of {game.ended} episodes played to their end")
        if kept is not None:
            print(f"dataset  {kept.root}: {len(kept)} episodes")
    finally:
        game.close()
    return 0


class Game:
    """One environment and the episode a person plays in it; safe to call from any thread. Episodes can be
    saved where `kept` says in what.
    """

    def __init__(self, make_env: Callable[[], Any], seed: int, kept: PlayedEpisodes | None = None) -> None:
        self.solved = self.ended = 0
        self._kept = kept
        self._worker = ThreadPoolExecutor(1)
        self._env = self._worker.submit(make_env).result()
        self._do(self._reset, seed)

    def close(self) -> None:
        """Close the environment, and the dataset."""
        self._do(self._env.close)
        self._worker.shutdown()
        if self._kept is not None:
            self._kept.close()

    def state(self) -> dict[str, Any]:
        """Return what the page shows besides pictures, as plain values.

        `prompt` is a list of words and of names of pictures, `{"text": …}` or `{"picture": …}`; `readout` is
        what the pictures do not show; `status` is empty until the episode ends; `kept` is whether it is
        saved, None where nothing is recorded.
        """
        return self._do(self._state)

    def start(self, seed: int) -> dict[str, Any]:
        """Begin the episode of a seed; returns the state."""
        return self._do(self._reset, seed)

    def act(self, points: Any, turn: Any = 0.0) -> dict[str, Any]:
        """Carry out one action and return the state.

        `points` are those that the embodiment's controls ask for, in the picture that is clicked, (across,
        down) from 0 to 1; `turn` is by how many degrees what is carried is turned clockwise, as seen there.
        Raises RolloutError when these are no such numbers or the episode is over.
        """
        return self._do(self._click, points, turn)

    def press(self, key: Any) -> dict[str, Any]:
        """Carry out the action of a key, as browsers name it, and return the state.

        Raises RolloutError when the embodiment's controls have no such key or the episode is over.
        """
        return self._do(self._press, key)

    def undo(self) -> dict[str, Any]:
        """Take the last action back, and return the state. Raises RolloutError where there is none, or the
        episode is saved.
        """
        return self._do(self._undo)

    def save(self) -> dict[str, Any]:
        """Save the episode, and return the state; one that is not over ends here, truncated. Raises
        RolloutError where nothing is recorded or was done, and for what `PlayedEpisodes.keep` refuses.
        """
        return self._do(self._save)

    def picture(self, name: str) -> bytes | None:
        """Return a picture as PNG: a camera's view as it is now, or one of the prompt's; None if there is
        none of that name.
        """
        return self._do(self._picture, name)

    # on the thread of the environment

    def _do(self, function: Callable, *arguments: Any) -> Any:
        return self._worker.submit(function, *arguments).result()

    def _reset(self, seed: int) -> dict[str, Any]:
        self._observation, self._info = self._env.reset(seed=seed)
        self._actions: list[Any] = []
        self._status, self._is_kept = "", False
        self._body = embodiments.of(self._info)
        return self._state()

    def _now(self) -> np.ndarray:
        return self._body.state(self._observation, self._info)

    def _controls(self) -> Controls:
        if self._status:
            raise RolloutError(f"this episode ended in {self._status}: start the next one")
        return self._body.controls(self._now())

    def _press(self, key: Any) -> dict[str, Any]:
        keys = self._controls().keys
        for each in keys:
            if key in each.names:
                return self._step(each.action)
        known = ", ".join(repr(name) for each in keys for name in each.names)
        raise RolloutError(
            f"the key {_short(key)} does nothing here: " + (f"press one of {known}" if known else "click")
        )

    def _click(self, points: Any, turn: Any) -> dict[str, Any]:
        controls = self._controls()
        if controls.keys:
            raise RolloutError("an action is a key here, found points")
        wanted = len(controls.points)
        if not isinstance(points, list) or len(points) != wanted:
            raise RolloutError(f"an action is {wanted} points, found {_short(points)}")
        clicked = [tuple(_numbers(point, 2)) for point in points]
        return self._step(self._body.clicked(clicked, _numbers(turn, 1)[0], self._now()))

    def _step(self, action: Any) -> dict[str, Any]:
        action = self._body.checked(action)
        self._observation, _, terminated, truncated, self._info = self._env.step(action)
        self._actions.append(action)
        if terminated or truncated:
            self._status = (
                "success" if self._info["success"] else "failure" if self._info["failure"] else "truncated"
            )
            self.ended += 1
            self.solved += self._info["success"]
        return self._state()

    def _undo(self) -> dict[str, Any]:
        if not self._actions:
            raise RolloutError("there is nothing to undo")
        if self._is_kept:
            raise RolloutError("this episode is saved: start the next one")
        self.ended -= bool(self._status)
        self.solved -= self._status == "success"
        actions, seed = self._actions[:-1], self._info["seed"]
        self._reset(seed)
        for action in actions:
            self._step(action)
        return self._state()

    def _save(self) -> dict[str, Any]:
        if self._kept is None:
            raise RolloutError("nothing is recorded: start uio2 play with record=FOLDER")
        if not self._actions:
            raise RolloutError("there is nothing to save: nothing was done yet")
        status = self._status or "truncated"
        self._kept.keep(self._info["seed"], self._actions, status)
        self.ended += not self._status
        self._status, self._is_kept = status, True
        return self._state()

    def _state(self) -> dict[str, Any]:
        info, parts = self._info, _PARTS.split(self._info["prompt"])
        prompt = [{"picture" if i % 2 else "text": part} for i, part in enumerate(parts) if part]
        facts = {key: info[key] for key in ("task", "level", "seed", "max_steps")}
        asked = self._body.controls(self._now())
        controls = {
            "camera": asked.camera,
            "cameras": list(self._body.views(self._observation)),
            "points": list(asked.points),
            "turn": asked.turn,
            "keys": [{"names": list(key.names), "words": key.words} for key in asked.keys],
        }
        done = {
            "steps": len(self._actions),
            "kept": self._is_kept if self._kept is not None else None,
            "status": self._status,
            "readout": self._body.readout(self._now()),
        }
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


class Server(LocalServer):
    """Serves a game: `/`, `/state`, `/picture/NAME`; POST `/act` {points, turn} or {key}, `/start` {seed},
    `/undo` {}, `/save` {}.
    """

    def __init__(self, game: Game, port: int) -> None:
        self.game = game
        super().__init__(port)

    def reply(self, path: str, asked: Mapping[str, Any] | None) -> Reply:
        try:
            found = self._shown(path) if asked is None else self._done(path, asked)
        except (RolloutError, EnvError, UIO2Error, DatasetError, OSError) as error:
            raise Refusal(400, str(error)) from None
        if found is None:
            raise Refusal(404, f"there is no {path}")
        return found

    def _shown(self, path: str) -> Reply | None:
        if path in _FILES:
            content, kind = _FILES[path]
            return Reply(200, kind, content)
        if path == "/state":
            return json_reply(self.game.state())
        if path.startswith("/picture/"):
            picture = self.game.picture(path.removeprefix("/picture/"))
            return None if picture is None else Reply(200, "image/png", picture)
        return None

    def _done(self, path: str, asked: Mapping[str, Any]) -> Reply | None:
        if path == "/act":
            if "key" in asked:
                return json_reply(self.game.press(asked["key"]))
            return json_reply(self.game.act(asked.get("points"), asked.get("turn", 0.0)))
        if path == "/start":
            seed = asked.get("seed")
            if type(seed) is not int or not 0 <= seed < _SEEDS:
                raise RolloutError(f"seed must be a whole number from 0 on, found {_short(seed)}")
            return json_reply(self.game.start(seed))
        if path == "/undo":
            return json_reply(self.game.undo())
        if path == "/save":
            return json_reply(self.game.save())
        return None


def _numbers(value: Any, count: int) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) != count or not all(type(v) in (int, float) and abs(v) <= 1e6 for v in values):
        raise RolloutError(f"expected {count} finite number(s) of at most 1e6, found {_short(value)}")
    return [float(v) for v in values]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else text[:100] + " …"
