"""The tasks of the tabletop, one file each; `base.Task` is what a task of your own derives from."""

from envs.vima.tasks.base import Cast as Cast
from envs.vima.tasks.base import Task as Task
