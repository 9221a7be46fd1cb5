"""vla-eval's side of us: what travels in its messages, and, where it is installed, its own classes."""

import ast
import asyncio
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import envs
from envs.assets import PromptAssets
from policies.embodiments.vima import VIMA
from rollouts.inference.server import Client
from rollouts.worklist import tasks_by_level
from tests.toys import TOY, ToyEnv
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.packaged import packaged_checkpoints

PLUGIN = Path(__file__).parents[1] / "plugins" / "vla_eval_uio2"
ABSENT = "vla-eval is not installed here: `python -m tests.proof.vla_eval` holds its commands against this"
msgpack = pytest.importorskip("msgpack")


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "vla_eval_uio2"]:
        del sys.modules[name]


def as_the_protocol_says(value: Any) -> Any:
    """Through bytes and back: pictures (H, W, C) as PNG, other arrays of plain numbers as they are."""

    def plain(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise TypeError(type(value))
        if value.ndim == 3 and value.dtype == np.uint8 and value.shape[2] in (1, 3, 4):
            Image.fromarray(value).save(file := io.BytesIO(), format="PNG")
            return {"__image__": True, "format": "png", "data": file.getvalue(), "shape": value.shape}
        about = {"dtype": value.dtype.str, "shape": value.shape}
        return {"__ndarray__": True, "data": value.tobytes(), **about}

    def found(value: dict) -> Any:
        if "__image__" in value:
            return np.array(Image.open(io.BytesIO(value["data"])))
        if "__ndarray__" not in value:
            return value
        assert np.dtype(value["dtype"]).kind in "biuf"
        return np.frombuffer(value["data"], value["dtype"]).reshape(value["shape"])

    return msgpack.unpackb(msgpack.packb(value, default=plain), object_hook=found)


def as_vla_eval_does(value: Any) -> Any:
    protocol = pytest.importorskip("vla_eval.protocol", reason=ABSENT)
    sent = protocol.Message(type=protocol.MessageType.OBSERVATION, payload=value)
    return protocol.unpack_message(protocol.pack_message(sent)).payload


def begun(seed: int = 3) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return ToyEnv().reset(seed=seed)


@pytest.mark.parametrize("travelled", [as_the_protocol_says, as_vla_eval_does])
def test_the_policy_is_told_what_the_environment_said(travelled: Callable[[Any], Any]) -> None:
    from vla_eval_uio2.messages import message, request

    observation, info = begun()
    asked, told = Client(0, None).asked(request(travelled(message(observation, {**info, "own": object()}))))
    came, _ = asked.reset
    for camera, view in observation["rgb"].items():
        assert np.array_equal(came["rgb"][camera], view) and came["rgb"][camera].dtype == np.uint8
    assert VIMA.objects(came, told) == VIMA.objects(observation, info)
    assert np.array_equal(VIMA.state(came, told), VIMA.state(observation, info))
    assert PromptAssets(told["prompt_assets"]) == info["prompt_assets"] and "own" not in told
    for key in ("prompt", "task", "seed", "embodiment", "end_effector"):
        assert told[key] == info[key]


def test_anybodys_server_finds_pictures_words_and_state() -> None:
    from vla_eval_uio2.messages import message

    observation, info = begun()
    sent = as_the_protocol_says(message(observation, info))
    assert sent["images"]["top"].shape == (128, 256, 3)
    assert sent["task_description"].startswith("Put the ") and "{" not in sent["task_description"]
    assert sent["state"].tolist() == [1, 0]


def test_anybodys_benchmark_is_understood_when_it_is_said_how() -> None:
    from vla_eval_uio2.messages import request

    picture = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    sent = {"images": {"wrist": picture}, "task_description": "Lift it.", "force": 2.0}
    asked = request(sent, {"top": "wrist"}, {"end_effector": 1})
    assert asked["prompt"] == "Lift it." and asked["end_effector"] == 1
    assert asked["observation"]["force"] == 2.0
    assert asked["observation"]["rgb"]["top"][:, 0, 1].tolist() == [3, 4, 5]
    for wrong, said in (
        ({}, "a map `images`"),
        ({**sent, "images": {"other": picture}}, "no image 'wrist'"),
        ({**sent, "images": {"wrist": picture / 2}}, "no uint8 array"),
    ):
        with pytest.raises(UIO2Error, match=said):
            request(wrong, {"top": "wrist"})


@pytest.mark.parametrize("name", ["vima", "procthor", "habitat"])
def test_the_ready_configurations_name_what_there_is(name: str) -> None:
    package = PLUGIN / "vla_eval_uio2"
    text = (package / "configs" / f"{name}.yaml").read_text()
    (entry,) = yaml.safe_load(text)["benchmarks"]
    module, _, kind = entry["benchmark"].partition(":")
    assert module == "vla_eval_uio2.benchmarks"
    found = {node.name: node for node in ast.parse((package / "benchmarks.py").read_text()).body[1:]
             if isinstance(node, ast.ClassDef)}  # fmt: skip
    assert f"suite = '{name}'" in ast.unparse(found[kind])
    params = entry["params"]
    assert tasks_by_level(name, params["task"], params["level"])
    assert params["seed"] >= envs.FIRST_HELD_OUT_SEED
    policy = yaml.safe_load((package / "configs" / "server.yaml").read_text())["args"]["policy"]
    assert policy in packaged_checkpoints() and text.splitlines()[0].split()[-1] in packaged_checkpoints()


def test_an_episode_goes_to_the_server_and_back() -> None:
    """The benchmark, the server and the messages between them, as vla-eval calls them."""
    pytest.importorskip("vla_eval", reason=ABSENT)
    from vla_eval_uio2.benchmarks import SuiteBenchmark
    from vla_eval_uio2.server import UIO2ModelServer

    class Slide(SuiteBenchmark):
        suite = TOY

    actions: list[dict[str, Any]] = []

    async def decided(server: Any, benchmark: Any, context: Any) -> dict[str, Any]:
        await server.on_observation(as_vla_eval_does(await benchmark.get_observation()), context)
        return as_vla_eval_does(actions.pop())

    async def keep(action: dict[str, Any]) -> None:
        actions.append(action)

    async def play() -> dict[str, Any]:
        server = UIO2ModelServer("tests.toys:ScriptedPolicy")
        await server.on_serve_start(None)
        benchmark = Slide("slide", seed=5_000_000, env_kwargs={"expert": True})
        (task,) = benchmark.get_tasks()
        await benchmark.start_episode({**task, "episode_idx": 2})
        context = SimpleNamespace(session_id="a", send_action=keep)
        await server.on_episode_start({}, context)
        with pytest.raises(ValueError, match="12 numbers"):
            await benchmark.apply_action({"actions": np.zeros(7)})
        while not await benchmark.is_done():
            await benchmark.apply_action(await decided(server, benchmark, context))
        await server.on_episode_end({}, context)
        benchmark.cleanup()
        return await benchmark.get_result()

    result = asyncio.run(play())
    assert result["success"] is True and result["seed"] == 5_000_002
