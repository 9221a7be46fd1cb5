"""The list of tasks and of backends, and how an environment is made of both.

Built-in tasks are named by import path, so that listing them loads no simulator.
"""

import importlib

import gymnasium

from envs.errors import unknown_name

_BUILT_IN = {
    "visual_manipulation": "VisualManipulation",
    "scene_understanding": "SceneUnderstanding",
    "rotate": "Rotate",
    "rearrange": "Rearrange",
    "rearrange_then_restore": "RearrangeThenRestore",
    "novel_adj": "NovelAdj",
    "novel_noun": "NovelNoun",
    "novel_adj_and_noun": "NovelAdjAndNoun",
    "twist": "Twist",
    "follow_motion": "FollowMotion",
    "follow_order": "FollowOrder",
    "sweep_without_exceeding": "SweepWithoutExceeding",
    "sweep_without_touching": "SweepWithoutTouching",
    "same_texture": "SameTexture",
    "same_shape": "SameShape",
    "manipulate_old_neighbor": "ManipulateOldNeighbor",
    "pick_in_order_then_restore": "PickInOrderThenRestore",
}

BACKENDS = {
    "mujoco": (f"{__package__}.environment:VimaEnv", "ours, on MuJoCo"),
    "upstream": (
        f"{__package__}.upstream.environment:UpstreamVimaEnv",
        "an installed VIMA-Bench, on PyBullet",
    ),
}
"""Name → class by import path, and what it is; the first is the default."""

EXTRA_STEPS = 2
"""Steps a policy may take beyond the expert's budget."""

TASKS: dict[str, "str | type"] = {
    name: f"{__package__}.tasks.{name}:{class_name}" for name, class_name in _BUILT_IN.items()
}
"""Task name → class, or `module:Class` until it is first used."""


def find_task(name: str) -> type:
    """Return the class of a task by name; EnvError lists the names if there is none."""
    if not isinstance(name, str) or name not in TASKS:
        raise unknown_name("task", name, TASKS)
    task = TASKS[name]
    if isinstance(task, str):
        module, _, class_name = task.partition(":")
        task = TASKS[name] = getattr(importlib.import_module(module), class_name)
    return task


def make_env(task: str, *, backend: str = "mujoco", **options) -> gymnasium.Env:
    """Make a task's environment: `VimaEnv`, or with backend="upstream" an installed VIMA-Bench behind its
    interface (envs.vima.upstream.environment).
    """
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    module, _, class_name = BACKENDS[backend][0].partition(":")
    return getattr(importlib.import_module(module), class_name)(task, **options)


# gymnasium reads it before making; without "human" it would put its own window around, which needs pygame,
# instead of letting the environment say what there is
make_env.metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 2}
