"""The list of backends, and how an environment is made of one. Loads no simulator before."""

import importlib

import gymnasium

from envs.errors import unknown_name

BACKENDS = {
    "house": ("envs.procthor.object_nav:ObjectNavEnv", "ours, on MuJoCo"),
    "ai2thor": (
        "envs.procthor.ai2thor.object_nav:Ai2thorObjectNavEnv",
        "an installed ai2thor, with Unity's player or ours",
    ),
}
"""Name → class by import path, and what it is; the first is the default."""


def make_env(task: str, *, backend: str = "house", **options) -> gymnasium.Env:
    """Make a task's environment: `ObjectNavEnv`, or with backend="ai2thor" the same in the real AI2-THOR."""
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    module, _, name = BACKENDS[backend][0].partition(":")
    return getattr(importlib.import_module(module), name)(task, **options)


make_env.metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
"""What gymnasium reads before making."""
