"""The tabletop: VIMA-Bench's tasks on MuJoCo, with the seeds, prompts and goals of the original.

Importing this package loads no simulator; `VimaEnv` and `Task` are loaded when first asked for.
"""

from envs.vima.levels import LEVELS as LEVELS
from envs.vima.levels import Pools as Pools
from envs.vima.registration import TASKS as TASKS
from envs.vima.suite import SUITE as SUITE
from envs.vima.suite import register_task as register_task

_LAZY = {
    "VimaEnv": "envs.vima.environment",
    "Task": "envs.vima.tasks.base",
    "Cast": "envs.vima.tasks.base",
    "Goal": "envs.vima.tasks.goals",
    "ObjectState": "envs.vima.things.state",
    "PromptAssets": "envs.assets",
    "FlatActions": "envs.vima.wrappers",
    "FlatImage": "envs.wrappers.pictures",
    "TextPrompt": "envs.vima.wrappers",
    "Depth": "envs.wrappers.pictures",
    "ObjectCrops": "envs.vima.crops",
}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
