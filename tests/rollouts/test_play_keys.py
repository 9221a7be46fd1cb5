"""The page on which a person walks: keys, asked as a browser asks them."""

import io
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import envs
from policies.embodiments.vima import VIMA
from rollouts.commands.play import Game, Server
from rollouts.errors import RolloutError

KEYS = {1: "ArrowUp", 2: "a", 3: "d", 4: "PageUp", 5: "f", 0: " "}
"""Action → one of its keys."""


def serve(suite: str, task: str, seed: int) -> Iterator[Server]:
    options = {"level": "small", **envs.suite(suite).play_options({})}
    game = Game(lambda: envs.suite(suite).make(task, **options), seed)
    server = Server(game, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    game.close()


@pytest.fixture(params=[("procthor", "ObjectNav"), ("habitat", "PointNav")], ids=lambda each: each[0])
def walking(rendering: None, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str, str]]:
    suite, task = request.param
    for server in serve(suite, task, 4):
        yield server, suite, task


def get(server: Server, path: str) -> bytes:
    with urllib.request.urlopen(server.address + path, timeout=60) as reply:
        return reply.read()


def post(server: Server, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    head = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(server.address + path, json.dumps(body).encode(), head, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_keys_solve_an_episode(walking: tuple[Server, str, str]) -> None:
    """The expert's actions, pressed one by one, lead where they lead in the environment."""
    server, suite, task = walking
    state = json.loads(get(server, "state"))
    controls = state["controls"]
    names = [name for key in controls["keys"] for name in key["names"]]
    assert len(set(names)) == len(names) and {*"wad", "ArrowUp", "ArrowLeft", "ArrowRight", " ", "Enter"} <= {
        *names
    }
    assert controls["points"] == [] and controls["cameras"] == [controls["camera"]] == ["front"]
    picture = Image.open(io.BytesIO(get(server, "picture/front")))
    assert picture.size == (512, 512) and np.asarray(picture).mean() > 20

    expert = envs.suite(suite).make(task, level="small", expert=True, size=32)
    observation, info = expert.reset(seed=4)
    if task == "PointNav":
        assert state["readout"].startswith(f"goal {observation['pointgoal'][0]:.2f} m away, ")
    while "expert_action" in info:
        action = info["expert_action"]
        observation, *_, info = expert.step(action)
        status, state = post(server, "act", {"key": KEYS[action]})
        assert status == 200
    expert.close()
    assert state["status"] == "success" and (server.game.solved, server.game.ended) == (1, 1)
    status, refused = post(server, "act", {"key": "w"})
    assert status == 400 and "ended in success" in refused["error"]
    status, state = post(server, "start", {"seed": 5})
    assert state["status"] == "" and state["steps"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"key": "x"}, "the key 'x' does nothing here: press one of 'ArrowUp', 'w'"),
        ({"key": None}, "the key None does nothing here"),
        ({"key": ["w"]}, "does nothing here"),
        ({"key": "w" * 10_000}, "a small JSON object"),
        ({"points": [[0.5, 0.5]]}, "an action is a key here"),
        ({}, "an action is a key here"),
    ],
)
def test_other_keys_are_refused(rendering: None, body: Any, said: str) -> None:
    for server in serve("procthor", "ObjectNav", 4):
        _, answer = post(server, "act", body)
        assert said in answer["error"] and json.loads(get(server, "state"))["steps"] == 0


def test_pages_of_other_sites_press_no_keys(rendering: None) -> None:
    for server in serve("procthor", "ObjectNav", 4):
        status, _ = post(server, "act", {"key": "w"}, Origin="http://elsewhere.example")
        assert status == 403
        status, _ = post(server, "act", {"key": "w"}, Host="elsewhere.example")
        assert status == 403 and json.loads(get(server, "state"))["steps"] == 0


def test_the_tabletop_has_no_keys(rendering: None) -> None:
    game = Game(lambda: envs.suite("vima").make("rotate", "placement"), 4)
    controls = game.state()["controls"]
    assert controls["keys"] == [] and controls["turn"] and controls["cameras"] == list(VIMA.cameras)
    with pytest.raises(RolloutError, match="the key 'w' does nothing here: click"):
        game.press("w")
    game.close()
