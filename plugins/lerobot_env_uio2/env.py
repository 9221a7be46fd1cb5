"""The hub form of these environments: `lerobot.envs.make_env("user/repository", trust_remote_code=True)`.

A repository holds this file; `uio2-agent` and `lerobot_env_uio2` are installed. `CHOSEN` is what it offers.
"""

from lerobot_env_uio2.vector import make_vectors

CHOSEN = {"suite": "vima", "tasks": None, "levels": None}
"""Suite, tasks and levels, as `make_vectors` takes them; None is what the suite shows."""


def make_env(n_envs: int = 1, use_async_envs: bool = False, cfg: object = None) -> dict:
    """Return {suite and level: {task: vector environment}}. `cfg`, which LeRobot may hand over, says nothing
    more.
    """
    return make_vectors(n_envs=n_envs, use_async_envs=use_async_envs, **CHOSEN)
