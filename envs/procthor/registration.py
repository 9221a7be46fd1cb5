"""The list of backends, and how an environment is made of one. Loads no simulator before."""

import importlib

import gymnasium

from envs.errors import unknown_name

BACKENDS = {
    "house": "ours, on MuJoCo",
    "ai2thor": "an installed ai2thor, with Unity's player or ours",
}
"""Name → what it is; the first is the default."""
_CLASSES = {
    "house": {
        "ObjectNav": f"{__package__}.object_nav:ObjectNavEnv",
        "PickAndPlace": f"{__package__}.pick_and_place:PickAndPlaceEnv",
    },
    "ai2thor": {
        "ObjectNav": f"{__package__}.ai2thor.object_nav:Ai2thorObjectNavEnv",
        "PickAndPlace": f"{__package__}.ai2thor.pick_and_place:Ai2thorPickAndPlaceEnv",
    },
}
"""Backend → task → class by import path."""


def make_env(task: str, *, backend: str = "house", **options) -> gymnasium.Env:
    """Make a task's environment in the embedded house, or with backend="ai2thor" in the real AI2-THOR."""
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if task not in _CLASSES[backend]:
        raise unknown_name("task", task, _CLASSES[backend])
    module, _, name = _CLASSES[backend][task].partition(":")
    return getattr(importlib.import_module(module), name)(task, **options)


make_env.metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
"""What gymnasium reads before making."""
