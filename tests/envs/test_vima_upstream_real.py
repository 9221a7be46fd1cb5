"""The upstream backend on the real VIMA-Bench, where it is installed (docs/vima_upstream.md).

Episodes recorded from upstream must come out again: objects, prompt, oracle actions and outcome.
"""

import importlib.util
import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401  (registers the ids)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vima_bench") is None or importlib.util.find_spec("pybullet") is None,
    reason="vima_bench is not installed",
)
LEVELS = {"L1": "placement", "L2": "combinatorial", "L3": "novel_object", "L4": "novel_task"}
RECORDED = (
    ("visual_manipulation", "L1", 0),
    ("rearrange", "L1", 1),
    ("same_shape", "L2", 0),
    ("novel_adj", "L3", 1),
    ("sweep_without_touching", "L4", 0),
)
ROUNDED = 1e-5
"""The recording keeps five decimals."""


def make(task: str, level: str, **options) -> gymnasium.Env:
    """An environment that waits as long as a busy machine needs."""
    return gymnasium.make(
        f"vima/{task}-v0", level=level, backend="upstream", expert=True, motion_timeout=60.0, **options
    )


def recording(shared: Path, task: str, level: str, seed: int) -> dict:
    records = map(json.loads, (shared / "fixtures/vima" / f"{level}.jsonl").open())
    return next(record for record in records if (record["task"], record["seed"]) == (task, seed))


@pytest.mark.parametrize(("task", "level", "seed"), RECORDED)
def test_recorded_episodes_again(shared, task, level, seed):
    record = recording(shared, task, level, seed)
    env = make(task, LEVELS[level], oracle_rules=True)
    info = env.reset(seed=seed)[1]
    assert (
        info["prompt"] == record["prompt"] and info["prompt_assets"].keys() == record["prompt_assets"].keys()
    )
    for ours, theirs in zip(info["objects"], record["objects"], strict=True):
        assert (ours.id, ours.name, ours.texture) == (theirs["id"], theirs["name"], theirs["texture"])
        assert ours.fixed == (theirs["category"] == "fixed")
        np.testing.assert_allclose(ours.size, theirs["size"], atol=ROUNDED)
        np.testing.assert_allclose((ours.target or ours).position, theirs["spawn_pos"], atol=ROUNDED)
    for step in record["steps"]:
        for key, value in info["expert_action"].items():
            np.testing.assert_allclose(value, step["action"][key], atol=ROUNDED)
        *_, info = env.step(info["expert_action"])
    assert (info["success"], info["failure"]) == (record["success"], record["failure"])
    env.close()


def test_environments_take_turns(capfd):
    """Upstream's gripper works in a process's first PyBullet client only; it must be that one each time."""
    lifting, pushing = make("rearrange", "placement"), make("sweep_without_exceeding", "placement")
    for env, seed in ((lifting, 3), (pushing, 3), (lifting, 3)):
        info, ended = env.reset(seed=seed)[1], False
        while not ended:
            *_, terminated, truncated, info = env.step(info["expert_action"])
            ended = terminated or truncated
        assert info["success"]
    env.close()
    assert capfd.readouterr() == ("", "")
