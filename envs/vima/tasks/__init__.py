"""The tasks of the tabletop, one file each; `base.Task` is what a task of your own derives from.

Their numbers are those of the paper's task suite (VIMA, arXiv 2210.03094).
"""

from envs.vima.tasks.base import Cast as Cast
from envs.vima.tasks.base import Task as Task
