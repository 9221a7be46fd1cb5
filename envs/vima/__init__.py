"""The tabletop: VIMA-Bench's tasks on MuJoCo, with the seeds, prompts and goals of the original.

Importing this package loads no simulator; `VimaEnv` and `Task` are loaded when first asked for.
"""

from envs.vima.levels import LEVELS as LEVELS
from envs.vima.levels import Pools as Pools
from envs.vima.registration import TASKS as TASKS
from envs.vima.suite import SUITE as SUITE
from envs.vima.suite import register_task as register_task

_LAZY = {
    "VimaEnv": ".environment",
    "Task": ".tasks.base",
    "Cast": ".tasks.base",
    "Goal": ".tasks.goals",
    "ObjectState": ".things.state",
    "PromptAssets": "..assets",
    "FlatActions": ".wrappers",
    "FlatImage": "..wrappers.pictures",
    "TextPrompt": ".wrappers",
    "Depth": "..wrappers.pictures",
    "ObjectCrops": ".crops",
}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name], __name__), name)
