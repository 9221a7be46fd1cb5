"""Which class plays a task."""

from typing import Any

from envs.errors import unknown_name
from envs.habitat.object_nav import ObjectNavEnv
from envs.habitat.point_nav import PointNavEnv
from envs.habitat.task import HabitatEnv

_CLASSES = {each.task: each for each in (PointNavEnv, ObjectNavEnv)}


def make(task: str, **arguments: Any) -> HabitatEnv:
    """Return the environment of a task; arguments are those of its class."""
    if task not in _CLASSES:
        raise unknown_name("task", task, _CLASSES)
    return _CLASSES[task](task, **arguments)


make.metadata = HabitatEnv.metadata
