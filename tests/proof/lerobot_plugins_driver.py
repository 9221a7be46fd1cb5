"""Runs where LeRobot and the plug-ins are (tests.proof.lerobot_plugins): its functions, called by a program.

Prints `RESULT` and rows of (check, whether it holds, what was found).
Usage: python lerobot_plugins_driver.py ENV.PY
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.envs.factory import make_env, make_env_config, make_env_pre_post_processors
from lerobot.envs.utils import preprocess_observation
from lerobot.policies import make_policy, make_pre_post_processors
from lerobot.utils.import_utils import register_third_party_plugins
from lerobot_policy_uio2.modeling_uio2 import UIO2Policy
from lerobot_policy_uio2.processor_uio2 import make_uio2_pre_post_processors

from uio2_agent.errors import UIO2Error

REPOSITORY, REVISION = "uio2/environments", "0" * 40


def main(env_file: str) -> None:
    register_third_party_plugins()
    with tempfile.TemporaryDirectory() as folder:
        rows = [_hub(Path(folder), Path(env_file)), *_saved(Path(folder)), _foreign(Path(folder))]
    print("RESULT", json.dumps(rows))


def _hub(folder: Path, env_file: Path) -> tuple[str, bool, str]:
    """`env.py` in a cache as downloading leaves it."""
    kept = folder / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    (kept / "snapshots" / REVISION).mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(REVISION)
    shutil.copy(env_file, kept / "snapshots" / REVISION / "env.py")
    made = make_env(REPOSITORY, n_envs=2, hub_cache_dir=str(folder / "hub"), trust_remote_code=True)
    vector = made["vima_placement"][2]
    observation, _ = vector.reset(seed=[0, 1])
    seen = observation["pixels"]["top"].shape
    for group in made.values():
        for each in group.values():
            each.close()
    return "`env.py`, the hub's form", seen == (2, 128, 256, 3), f"{sorted(made)}, pictures {seen}"


def _saved(folder: Path) -> list[tuple[str, bool, str]]:
    """A policy that is saved, loaded, and decides the same; of one step from several slots."""
    first = UIO2Policy.from_checkpoint("nano", device="cpu")
    first.save_pretrained(folder / "nano")
    for pipeline in make_uio2_pre_post_processors(first.config):
        pipeline.save_pretrained(folder / "nano")
    config = PreTrainedConfig.from_pretrained(folder / "nano")
    config.pretrained_path = folder / "nano"
    env_config = make_env_config("vima", task="rotate")
    second = make_policy(cfg=config, env_cfg=env_config)
    weights = second.state_dict()
    same = all(torch.equal(value, weights[name]) for name, value in first.state_dict().items())
    before, after = make_pre_post_processors(config, str(folder / "nano"))
    env_before, _ = make_env_pre_post_processors(env_config, config)
    vector = make_env(env_config, n_envs=2)["vima_placement"][2]
    observation, _ = vector.reset(seed=[0, 1])
    batch = preprocess_observation(observation) | {"task": list(vector.call("task_description"))}
    batch = before(env_before(batch))
    actions = [after(policy.select_action(batch)) for policy in (first, second)]
    chunk = second.predict_action_chunk(batch)
    vector.close()
    equal = torch.equal(*actions) and actions[0].shape == (2, 12) and torch.equal(chunk[:, 0], actions[1])
    return [
        (
            "`save_pretrained`, `from_pretrained`: weights",
            same and len(weights) > 0,
            f"{len(weights)} tensors equal",
        ),
        ("what both decide, and `predict_action_chunk`", equal, str(tuple(chunk.shape))),
    ]


def _foreign(folder: Path) -> tuple[str, bool, str]:
    """An observation that is nobody's of ours: pictures, a state and words; and one of another body."""
    config = PreTrainedConfig.from_pretrained(folder / "nano")
    config.pretrained_path = folder / "nano"
    policy = UIO2Policy.from_pretrained(folder / "nano", config=config)
    batch = {
        "observation.images.top": torch.zeros(1, 3, 128, 256),
        "observation.state": torch.tensor([[1.0, 0.0]]),
        "task": ["Put the red block into the bowl."],
    }
    action = policy.select_action(batch).numpy()
    try:
        policy.reset()
        policy.select_action({**batch, "observation.state": torch.zeros(1, 7)})
        said = ""
    except UIO2Error as error:
        said = str(error)
    good = (
        action.shape == (1, 12) and bool(np.isfinite(action).all()) and "2 numbers (suction, spatula)" in said
    )
    return "words alone; a state of another body", good, f"acts; {said}"


if __name__ == "__main__":
    main(sys.argv[1])
