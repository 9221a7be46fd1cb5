"""The page on which a person acts, asked as a browser asks it."""

import io
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from envs.vima.suite import PLAY_IMAGE_SIZE as IMAGE_SIZE
from envs.vima.table.camera import CAMERAS
from rollouts.commands.play import Game, Server
from rollouts.errors import RolloutError

ROOT = Path(__file__).parents[2]


def serve(task: str, seed: int) -> Iterator[Server]:
    from envs.vima import VimaEnv

    game = Game(lambda: VimaEnv(task, "placement", image_size=IMAGE_SIZE), seed)
    server = Server(game, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    game.close()


@pytest.fixture
def rotate(rendering: None) -> Iterator[Server]:
    yield from serve("rotate", 4)


@pytest.fixture
def sweep(rendering: None) -> Iterator[Server]:
    yield from serve("sweep_without_exceeding", 4)


def get(server: Server, path: str) -> tuple[int, str, bytes]:
    with urllib.request.urlopen(server.address + path, timeout=60) as reply:
        return reply.status, reply.headers.get_content_type(), reply.read()


def state(server: Server) -> dict[str, Any]:
    return json.loads(get(server, "state")[2])


def post(server: Server, path: str, body: Any, kind: str = "application/json") -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.address + path, data, {"Content-Type": kind}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def solution(seed: int) -> dict[str, Any]:
    """Where a person who reads the prompt of a rotate episode clicks, and how far the slider goes."""
    from envs.vima import VimaEnv

    info = VimaEnv("rotate", "placement").reset(seed=seed)[1]
    shown = info["prompt_assets"]["dragged_obj"]["segm"]["obj_info"]
    (it,) = [o for o in info["objects"] if (o.name, o.texture) == (shown["obj_name"], shown["obj_color"])]
    row, column = CAMERAS["top"].fitted(*IMAGE_SIZE).project(it.position, *IMAGE_SIZE)
    point = [float(column) / IMAGE_SIZE[1], float(row) / IMAGE_SIZE[0]]
    return {"points": [point, point], "turn": int(re.search(r"(\d+) degrees", info["prompt"])[1])}


def test_the_page_and_its_pictures(rotate: Server) -> None:
    status, kind, page = get(rotate, "")
    assert status == 200 and kind == "text/html" and b"<canvas" in page
    named = set(re.findall(rb'"/(\w[\w.]*)"', page)) - {b"act", b"start", b"undo", b"save"}
    assert named == {b"page.css", b"state"}
    assert all(get(rotate, name.decode())[0] == 200 for name in named)
    seen = state(rotate)
    assert seen["task"] == "rotate" and seen["seed"] == 4 and seen["status"] == ""
    assert [list(part) for part in seen["prompt"]] == [["text"], ["picture"], ["text"]]
    for name, size in (("top", IMAGE_SIZE[::-1]), ("front", IMAGE_SIZE[::-1]), ("dragged_obj", None)):
        _, kind, data = get(rotate, f"picture/{name}?7")
        image = Image.open(io.BytesIO(data))
        assert kind == "image/png" and (size is None or image.size == size)
        assert len(image.getcolors(10**6)) > 3  # something is to be seen
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(rotate, "picture/../play.py")


def test_two_clicks_and_a_turn_solve_an_episode(rotate: Server) -> None:
    before = get(rotate, "picture/top")[2]
    status, seen = post(rotate, "act", solution(4))
    assert status == 200 and seen["status"] == "success" and seen["steps"] == 1
    assert get(rotate, "picture/top")[2] != before
    status, refused = post(rotate, "act", solution(4))
    assert status == 400 and "ended in success" in refused["error"]
    status, seen = post(rotate, "start", {"seed": 5})
    assert status == 200 and seen["seed"] == 5 and seen["status"] == "" and seen["steps"] == 0
    wrong = solution(5) | {"turn": -solution(5)["turn"]}
    assert post(rotate, "act", wrong)[1]["status"] == ""
    for _ in range(4):
        seen = post(rotate, "act", {"points": [[0, 0], [0, 0]]})[1]
    assert seen["status"] == "truncated"
    assert (rotate.game.solved, rotate.game.ended) == (1, 2)


def test_undo_takes_the_last_action_back(rotate: Server) -> None:
    assert "nothing to undo" in post(rotate, "undo", {})[1]["error"]
    before = get(rotate, "picture/top")[2]
    wrong = solution(4) | {"turn": -solution(4)["turn"]}
    after = post(rotate, "act", wrong)[1], get(rotate, "picture/top")[2]
    assert post(rotate, "act", solution(4) | {"turn": 10})[1]["steps"] == 2
    status, seen = post(rotate, "undo", {})
    assert status == 200 and (seen, get(rotate, "picture/top")[2]) == after
    assert post(rotate, "undo", {})[1]["steps"] == 0 and get(rotate, "picture/top")[2] == before
    assert post(rotate, "act", solution(4))[1]["status"] == "success"
    assert (rotate.game.solved, rotate.game.ended) == (1, 1)
    assert post(rotate, "undo", {})[1]["status"] == ""
    assert (rotate.game.solved, rotate.game.ended) == (0, 0), "an end that was taken back is none"
    assert "nothing is recorded" in post(rotate, "save", {})[1]["error"]


def test_what_is_saved_is_a_dataset_as_collect_makes_it(
    rendering: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures are as large as collected ones, stored actions replay, and training takes the set."""
    from envs.vima import VimaEnv
    from pretrain.selection import split_episodes
    from pretrain.sources import EpisodeFolders
    from rollouts.cli import main
    from rollouts.played import PlayedEpisodes
    from rollouts.workers import MakeEnv

    kept = PlayedEpisodes(tmp_path, "vima", "rotate", "placement", MakeEnv(), {})
    game = Game(lambda: VimaEnv("rotate", "placement", image_size=IMAGE_SIZE), 4, kept)
    with pytest.raises(RolloutError, match="nothing was done"):
        game.save()
    wrong = solution(4) | {"turn": -solution(4)["turn"]}
    assert game.act(**wrong)["kept"] is False
    game.undo()
    game.act(**solution(4))
    assert game.save()["kept"] is True
    for refused, said in ((game.save, "seed 4 is in .* already"), (game.undo, "this episode is saved")):
        with pytest.raises(RolloutError, match=said):
            refused()
    for seed in (5, 5_000_000):
        game.start(seed)
        game.act(**solution(seed))
        if seed == 5:
            game.save()
    with pytest.raises(RolloutError, match="held out"):
        game.save()
    game.start(6)
    game.act(**solution(6) | {"turn": -solution(6)["turn"]})
    left = game.save()
    assert (left["status"], left["kept"], left["steps"]) == ("truncated", True, 1)
    with pytest.raises(RolloutError, match="ended in truncated"):
        game.act(**solution(6))
    assert (game.solved, game.ended) == (3, 4)
    game.close()
    source = EpisodeFolders((str(tmp_path),))
    assert [(fact["seed"], fact["status"], fact["policy"]) for fact in source.facts] == [
        (4, "success", "person"),
        (5, "success", "person"),
        (6, "truncated", "person"),
    ]
    assert [source[place].length for place in (0, 1, 2)] == [1, 1, 1], "what was taken back is not stored"
    observation, _ = VimaEnv("rotate", "placement").reset(seed=4)
    assert (source[0].frames["top"][0] == np.moveaxis(observation["rgb"]["top"], 0, -1)).all()
    assert split_episodes(source, 0)[0] == [0, 1]
    capsys.readouterr()
    assert main(["dataset", "verify", str(tmp_path)]) == 0
    assert main(["dataset", "replay", str(tmp_path)]) == 0


def test_a_push_starts_and_ends_at_the_clicks(sweep: Server) -> None:
    assert state(sweep)["controls"]["points"][0] == "Click where the push begins."
    before = get(sweep, "picture/top")[2]
    _, seen = post(sweep, "act", {"points": [[0.5, 0.95], [0.5, 0.9]]})
    assert seen["steps"] == 1
    _, seen = post(sweep, "act", {"points": [[0.5, 0.95], [0.5, 0.3]]})
    assert seen["steps"] == 2 and get(sweep, "picture/top")[2] != before


@pytest.mark.parametrize(
    ("path", "body", "kind", "said"),
    [
        ("act", {}, "application/json", "an action is 2 points, found None"),
        ("act", {"points": [[0.5, "x"], [0, 0]]}, "application/json", "expected 2 finite number"),
        ("act", {"points": [[0.5, 1], [0, 0]], "turn": None}, "application/json", "expected 1 finite"),
        ("act", b'{"points": [[NaN, 0], [0, 0]]}', "application/json", "a small JSON object"),
        ("act", b'{"points": [[1e999, 0], [0, 0]]}', "application/json", "expected 2 finite number"),
        ("act", {"points": [[10**400, 0], [0, 0]]}, "application/json", "expected 2 finite number"),
        ("act", {"points": [[0, 0], [0, 0]], "turn": True}, "application/json", "expected 1 finite"),
        ("act", b"{", "application/json", "a small JSON object"),
        ("act", b"[]", "application/json", "a small JSON object"),
        ("act", {"points": [[0, 0], [0, 0]]}, "text/plain", "of type application/json"),
        ("start", {"seed": "7"}, "application/json", "seed must be a whole number"),
        ("start", {"seed": 10**400}, "application/json", "seed must be a whole number"),
        ("start", {"seed": -1}, "application/json", "seed must be a whole number"),
    ],
)
def test_broken_requests_are_answered(rotate: Server, path: str, body: Any, kind: str, said: str) -> None:
    status, answer = post(rotate, path, body, kind)
    assert status == 400 and said in answer["error"]
    assert state(rotate)["steps"] == 0 and state(rotate)["seed"] == 4


def test_only_this_machine_is_served_and_a_taken_port_is_named(rotate: Server) -> None:
    host, port = rotate.server_address
    assert host == "127.0.0.1" and rotate.address == f"http://127.0.0.1:{port}/"
    for taken in (port, 99999):
        with pytest.raises(RolloutError, match=rf"cannot serve on 127.0.0.1:{taken} .*choose another port="):
            Server(rotate.game, taken)


def test_the_command_serves_until_it_is_interrupted(rendering: None) -> None:
    script = Path(sys.executable).with_name("uio2")
    command = [script, "play", "task=rotate", "seed=11", "port=0"]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in a background job
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", run.stdout.readline())[0]
        with urllib.request.urlopen(address + "state", timeout=60) as reply:
            assert json.loads(reply.read())["seed"] == 11
        run.send_signal(signal.SIGINT)
        out, error = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == 0 and "solved   0 of 0" in out and not error, out + error
