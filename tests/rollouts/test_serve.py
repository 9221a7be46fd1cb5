"""The protocol of policy servers, by a client that knows nothing of ours but bytes and websockets."""

import asyncio
import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from policies.base import Policy, PolicyLost, Step
from policies.loading import load_policy, policy_identity
from policies.wire import WireError, packed, unpacked
from rollouts.inference.batches import Batches
from rollouts.inference.messages import Batching
from rollouts.inference.server import PolicyServer
from rollouts.limits import unwatched
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from uio2_agent.errors import UIO2Error

msgpack = pytest.importorskip("msgpack")
connect = pytest.importorskip("websockets.sync.client").connect


class Counting(Policy):
    """Acts by what it was told and how often it was asked in the episode, as policies with a memory do."""

    name = "counting"

    def __init__(self) -> None:
        self.steps: dict[int, int] = {}
        self.batches: list[int] = []

    def reset(self, slot: int, observation: Any, info: Any) -> None:
        self.steps[slot] = 100 * info["seed"]

    def act(self, steps: list[Step]) -> list[int]:
        if any(step.observation.get("ruin") for step in steps):
            raise ValueError("ruined")
        self.batches.append(len(steps))
        for step in steps:
            self.steps[step.slot] += 1
        return [self.steps[step.slot] % 6 for step in steps]

    def played(self, slot: int, action: int) -> None:
        self.steps[slot] += 10


@contextmanager
def serving(policy: Policy, **about: Any) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    loop, up, ends, address = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def serve() -> None:
        batches = Batches(Batching(1, 16, 0.05), unwatched)
        await batches.load(lambda: policy)
        server = PolicyServer(batches, {"policy": policy.name, **about}, "navigation")
        async with await server.listen("127.0.0.1", 0) as listening:
            address.append(f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
            up.set()
            await ends.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert up.wait(10)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()
        loop.close()


class Client:
    """As openpi's: the metadata come first, bytes are replies, texts are errors."""

    def __init__(self, address: str) -> None:
        self.socket = connect(address, compression=None, max_size=None).__enter__()
        self.metadata = msgpack.unpackb(self.socket.recv())

    def ask(self, request: Any) -> Any:
        self.socket.send(request if isinstance(request, bytes | str) else msgpack.packb(request))
        reply = self.socket.recv(timeout=10)
        return reply if isinstance(reply, str) else msgpack.unpackb(reply)

    def action(self, **request: Any) -> int:
        reply = self.ask({"observation": {}, "prompt": "Go.", **request})
        found = reply["actions"]
        assert (found[b"dtype"], found[b"shape"]) == ("<f4", [1, 1])
        return int(np.frombuffer(found[b"data"], np.float32)[0])


def test_an_episode_is_a_connections_until_it_says_reset() -> None:
    with serving(Counting()) as address:
        first, second = Client(address), Client(address)
        assert first.metadata["uio2"] == 1 and first.metadata["policy"] == "counting"
        assert [first.action(), first.action(), second.action(), first.action()] == [1, 2, 1, 3]
        assert first.action(reset=True, seed=1) == 101 % 6
        moved = {b"__ndarray__": True, b"data": b"\0\0\0\0", b"dtype": "<f4", b"shape": [1]}
        assert first.action(played=[moved]) == 112 % 6
        assert second.ask({"observation": {}})["server_timing"]["infer_ms"] > 0  # its prompt is known
        for client in (first, second):
            client.socket.close()


RUBBISH = [
    b"",
    b"\xc1",
    b"\x91" * 5000,
    "text",
    packed(3),
    packed({"prompt": "Go."}),
    packed({"observation": {}, "prompt": 7}),
    packed({"observation": {}, "prompt": "Go.", "embodiment": "os:system"}),
    packed({"observation": {}, "prompt": "Go.", "played": [np.zeros(3)]}),
    msgpack.packb(
        {"observation": {"x": {b"__ndarray__": True, b"data": b"", b"dtype": "|O", b"shape": [1]}}}
    ),
    msgpack.packb(
        {"observation": {"x": {b"__ndarray__": True, b"data": b"1", b"dtype": "|u1", b"shape": [2**60]}}}
    ),
    msgpack.packb({"observation": msgpack.ExtType(5, b"code")}),
    packed({"observation": {"ruin": True}, "prompt": "Go."}),
]  # fmt: skip


def test_rubbish_is_answered_in_words_and_costs_nobody_else_anything() -> None:
    with serving(Counting()) as address:
        good, bad = Client(address), Client(address)
        for number, rubbish in enumerate(RUBBISH, start=1):
            assert isinstance(bad.ask(rubbish), str), rubbish
            assert good.action() == number % 6
        assert bad.action() == 1
        bad.socket.socket.close()  # without a word
        assert good.action() == (len(RUBBISH) + 1) % 6
        good.socket.close()


def test_many_at_once_are_decided_together_and_each_gets_its_own() -> None:
    policy, found = Counting(), {}

    def play(seed: int, address: str) -> None:
        client = Client(address)
        found[seed] = [client.action(seed=seed) for _ in range(20)]
        client.socket.close()

    with serving(policy) as address:
        threads = [threading.Thread(target=play, args=(seed, address)) for seed in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {seed: [(100 * seed + n) % 6 for n in range(1, 21)] for seed in range(12)}
    assert max(policy.batches) > 1


def test_health_and_pages_of_others() -> None:
    with serving(Counting()) as address:
        host = address.removeprefix("ws://")
        line = http.client.HTTPConnection(host)
        line.request("GET", "/healthz")
        assert line.getresponse().status == 200
        line.close()
        with pytest.raises(Exception, match="403"):
            connect(address, origin="http://elsewhere.example")


def test_episodes_are_those_of_the_policy_itself() -> None:
    work = work_list(["PointNav"], "small", env="habitat", seed=3, episodes=2)

    def play(policy: Policy) -> list[Any]:
        episodes = run_episodes(work, MakeEnv(), policy, slots=2)
        return [(e.status, list(map(int, e.actions))) for e in episodes]

    with serving(Counting()) as address:
        policy, itself = load_policy(address), play(Counting())
        assert [status for status, _ in itself] == ["failure"] * 2 and all(actions for _, actions in itself)
        assert policy.name == "counting" and len(policy_identity(address)) == 64
        assert play(policy) == itself
        assert play(policy) == itself  # the next episodes of the same connections
        policy.close()


def test_a_server_that_goes_ends_the_playing_in_one_error() -> None:
    with serving(Counting()) as address:
        policy = load_policy(address, connect_timeout=0.3)
        info = {"embodiment": "navigation", "prompt": "Go.", "prompt_assets": {}, "seed": 0}
        policy.reset(0, {}, info)
        assert policy.act([Step(0, {}, info)]) == [1]
    with pytest.raises(PolicyLost, match="the connection was lost in the middle of an episode"):
        policy.act([Step(0, {}, info)])
    with pytest.raises(UIO2Error, match="no policy server answers there"):
        load_policy(address)


def test_the_codec_keeps_arrays_and_refuses_objects() -> None:
    kept = {"a": np.arange(6, dtype="<i2").reshape(2, 3).T, "b": np.float32(0.5), "c": np.array(["ä", "bc"])}
    back = unpacked(packed(kept))
    assert all(np.array_equal(back[key], kept[key]) and back[key].dtype == kept[key].dtype for key in kept)
    for value in (np.array([None]), np.array(1j), object()):
        with pytest.raises(WireError):
            packed(value)


def test_without_the_packages_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['websockets'] = None\n"
        "from rollouts.cli import main; sys.exit(main(['serve', 'random']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'uio2-agent[serve]'" in done.stderr


def test_a_server_of_others_gets_the_keys_it_wants_and_its_chunk_is_carried_out() -> None:
    """A protocol double: as openpi's server, it keeps nothing of an episode and sends several actions."""
    from websockets.sync.server import serve

    seen: list[dict] = []

    def answer(socket: Any) -> None:
        socket.send(msgpack.packb({}))
        for request in socket:
            seen.append(unpacked(request))
            socket.send(packed({"actions": np.array([[1.0 if len(seen) < 3 else 0.0], [2.0], [3.0]])}))
            if len(seen) == 2:
                return  # the connection ends, and nothing is lost with it

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with pytest.raises(UIO2Error, match=r"policy_args\.keys="):
            load_policy(address)
        with pytest.raises(UIO2Error, match="a map of texts"):
            load_policy(address, keys="{observation/image: front}")  # what a shell leaves without its marks
        policy = load_policy(address, keys={"observation/image": "front", "state": "state"}, chunk=2)
        work = work_list(["PointNav"], "small", env="habitat", seed=3, episodes=1)
        (episode,) = run_episodes(work, MakeEnv(), policy)
        policy.close()
        server.shutdown()
        thread.join()
    assert list(map(int, episode.actions)) == [1, 2, 1, 2, 0] and len(seen) == 3
    assert sorted(seen[0]) == ["observation/image", "prompt", "state"]
    assert seen[0]["observation/image"].shape == (224, 224, 3) and isinstance(seen[0]["prompt"], str)
