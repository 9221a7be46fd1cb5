"""The list of tasks, and their gymnasium ids `vima/<task>-v0`; tasks of your own join it.

Built-in tasks are named by import path, so that listing and registering them loads no simulator.
"""

import importlib

import gymnasium

from envs.errors import EnvError, unknown_name

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

_BACKENDS = {
    "mujoco": "envs.vima.environment:VimaEnv",
    "upstream": "envs.vima.upstream.environment:UpstreamVimaEnv",
}

TASKS: dict[str, "str | type"] = {
    name: f"envs.vima.tasks.{name}:{class_name}" for name, class_name in _BUILT_IN.items()
}
"""Task name → class, or `module:Class` until it is first used."""


def register_task(task: type) -> type:
    """Add a `Task` subclass under its `name` and register `vima/<name>-v0`; usable as a class decorator.

    Worker processes that are spawned rather than forked must import the module that does so.
    """
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not name:
        raise EnvError(f"task class {task!r} has no name: set `name` to what follows `vima/` in its id")
    TASKS[name] = task
    _register_id(name)
    return task


def find_task(name: str) -> type:
    """Return the class of a task by name; EnvError lists the names if there is none."""
    if name not in TASKS:
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
    if backend not in _BACKENDS:
        raise unknown_name("backend", backend, _BACKENDS)
    module, _, class_name = _BACKENDS[backend].partition(":")
    return getattr(importlib.import_module(module), class_name)(task, **options)


make_env.metadata = {"render_modes": ["rgb_array"], "render_fps": 2}  # gymnasium reads it before making


def register_ids() -> None:
    """Register the gymnasium id of every task known."""
    for name in TASKS:
        _register_id(name)


def _register_id(name: str) -> None:
    env_id = f"vima/{name}-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, entry_point="envs.vima.registration:make_env", kwargs={"task": name})
