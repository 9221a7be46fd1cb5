"""ProcTHOR's ObjectNav through the real Controller of ai2thor, on our player: the same episodes as in the
embedded house, and what happens when a player fails.

The contract of environments: python -m tests.contract procthor --backend ai2thor
--option 'executable=uio2 thor-player'
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from envs import EnvError, suite
from envs.house.tasks.body import AHEAD, LEFT
from envs.house.tasks.household import OPEN, PICK, PUT
from envs.house.thor.player.play import command_line

pytest.importorskip(
    "ai2thor.controller", reason="the package ai2thor is not installed (make setup installs it)"
)
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("rendering")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home of its own for the Controller's log, and a path on which players find our packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))
        patch.delenv("DISPLAY", raising=False)
        yield


def make(level: str = "small", **options) -> gymnasium.Env:
    given = {"backend": "ai2thor", "executable": command_line(), "size": 64, "timeout": 60.0}
    return suite("procthor").make("ObjectNav", level, **{**given, **options})


@pytest.fixture(scope="module")
def thor(home) -> Iterator[gymnasium.Env]:
    env = make(sensors=("depth", "segmentation"), expert=True)
    yield env
    env.close()


def test_both_backends_play_the_same_episode(thor: gymnasium.Env) -> None:
    ours = suite("procthor").make(
        "ObjectNav", "small", size=64, sensors=("depth", "segmentation"), expert=True
    )
    for seed in (0, 1):
        (seen, info), (seen_there, there) = ours.reset(seed=seed), thor.reset(seed=seed)
        step = 0
        while "expert_action" in info:
            assert ours.observation_space.contains(seen_there) or step
            assert thor.observation_space == ours.observation_space
            for key in ("prompt", "target", "expert_action"):
                assert info[key] == there[key]
            assert info["metrics"] == pytest.approx(there["metrics"])
            assert np.allclose(seen["pose"], seen_there["pose"], atol=1e-5)
            assert (seen["rgb"]["front"] != seen_there["rgb"]["front"]).mean() < 0.01
            near = seen["depth"]["front"] < 19.8
            assert np.abs(seen["depth"]["front"] - seen_there["depth"]["front"])[near].max() < 1e-3
            action = info["expert_action"] if step else AHEAD
            (seen, *ended, info), (seen_there, *ended_there, there) = ours.step(action), thor.step(action)
            assert ended == ended_there
            step += 1
        assert info["success"] and there["success"] and info["metrics"] == pytest.approx(there["metrics"])
    ours.close()


def test_a_player_that_dies_or_falls_silent_is_replaced_where_it_was() -> None:
    env = make()
    env.reset(seed=3)
    poses = [env.step(LEFT)[0]["pose"]]
    for send in (signal.SIGKILL, signal.SIGSTOP):
        player = env.unwrapped._player._controller.server.unity_proc
        if send == signal.SIGSTOP:
            env.unwrapped._player._controller.server.timeout = 1.0
        os.kill(player.pid, send)
        time.sleep(0.2)
        poses.append(env.step(LEFT)[0]["pose"])
    assert np.allclose(np.diff([pose[2] for pose in poses]), -np.pi / 6, atol=1e-5)
    assert np.allclose(poses[0][[0, 1, 3]], poses[2][[0, 1, 3]], atol=1e-5)
    env.close()
    assert player.poll() is not None


def test_things_are_handled_alike(home) -> None:
    options = {"size": 64, "expert": True, "receptacle": "Fridge", "sensors": []}
    ours = suite("procthor").make("PickAndPlace", "small", **options)
    thor = suite("procthor").make(
        "PickAndPlace", "small", backend="ai2thor", executable=command_line(), timeout=60.0, **options
    )
    (_, info), (_, there) = ours.reset(seed=0), thor.reset(seed=0)
    empty = {"action": PUT, "point": np.array([0.5, 0.5], np.float32)}
    done, action = [], empty
    while action is not None:
        (seen, *ended, info), (seen_there, *ended_there, there) = ours.step(action), thor.step(action)
        done.append(int(action["action"]))
        assert ended == ended_there
        for key in ("held", "message", "prompt"):
            assert info[key] == there[key]
        assert info["metrics"] == pytest.approx(there["metrics"])
        assert np.allclose(seen["pose"], seen_there["pose"], atol=1e-5)
        assert (seen["rgb"]["front"] != seen_there["rgb"]["front"]).mean() < 0.01
        action, action_there = info.get("expert_action"), there.get("expert_action")
        assert (action is None) == (action_there is None)
        if action is not None:
            assert action["action"] == action_there["action"]
            assert np.allclose(action["point"], action_there["point"], atol=1e-4)
    assert there["success"] and {PICK, PUT, OPEN} <= set(done)
    assert there["metrics"]["failed_interactions"] == 1
    with pytest.raises(EnvError, match="backend='house'"):
        thor.unwrapped.state()
    ours.close()
    (_, first), player = thor.reset(seed=0), thor.unwrapped._player._controller.server.unity_proc
    assert first["metrics"]["placed"] == 0  # the house is as it was
    while not first["held"]:
        *_, first = thor.step(first["expert_action"])
    player.kill()
    player.wait()
    with pytest.raises(EnvError, match="what was moved is lost"):
        thor.step(empty)
    assert thor.reset(seed=0)[1]["held"] == ""
    thor.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('out of order')", ("has ended (status 1)", "out of order")),
        ("import time; time.sleep(100)", ("has said nothing for 2 s",)),
    ],
)
def test_a_player_that_never_speaks(tmp_path: Path, script: str, said: tuple[str, ...]) -> None:
    """Of which the Controller alone would never tell."""
    (tmp_path / "player.py").write_text(script)
    with pytest.raises(EnvError) as error:
        make(executable=f"{sys.executable} {tmp_path}/player.py", start_timeout=2.0).reset(seed=0)
    assert all(part in str(error.value) for part in (*said, "backend='house'"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"executable": "/no/such/player"}, "is its first word a program that can be run"),
        ({"executable": None, "x_display": ":0"}, "executable='uio2 thor-player'"),
        ({"gpu_device": 0}, "vulkan-tools"),
    ],
)
def test_what_users_meet_is_explained(options: dict, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ai2thor.build

    monkeypatch.setattr(ai2thor.build.Build, "exists", lambda self: False)  # as it is without a network
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvError, match=said):
        make(**options).reset(seed=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"platform": "Vulkan"}, "CloudRendering or Linux64"),
        ({"timeout": 0}, "timeout=0"),
        ({"executable": " "}, "executable"),
        ({"excutable": "a"}, "executable"),
        ({"backend": "unity"}, "house, ai2thor"),
    ],
)
def test_arguments(options: dict, said: str) -> None:
    with pytest.raises(EnvError, match=said):
        make(**options)


def test_a_house_that_the_player_cannot_build(thor: gymnasium.Env, monkeypatch: pytest.MonkeyPatch) -> None:
    from envs.procthor.ai2thor.player import Player

    build = Player._build
    monkeypatch.setattr(Player, "_build", lambda self, house: build(self, {**house, "walls": [{}]}))
    with pytest.raises(EnvError, match=r"CreateHouse failed: .*houses=FILE"):
        thor.reset(seed=2)
    monkeypatch.undo()
    thor.reset(seed=2)


def test_states_go_over(thor: gymnasium.Env) -> None:
    thor.reset(seed=1)
    thor.step(LEFT)
    kept, (seen, *_) = thor.unwrapped.state(), thor.step(AHEAD)
    thor.reset(seed=2)
    thor.unwrapped.set_state(kept)
    again, *_ = thor.step(AHEAD)
    assert np.allclose(again["pose"], seen["pose"], atol=1e-5)
    assert (again["rgb"]["front"] == seen["rgb"]["front"]).all()
