"""Stand-in for VIMA-Bench, see README.md."""

import os

from .env import VIMAEnvBase
from .tasks import ALL_TASKS as _TASKS
from .tasks import PARTITION_TO_SPECS

ALL_PARTITIONS = list(PARTITION_TO_SPECS["test"])
ALL_TASKS = list(_TASKS)

print(f"[INFO] {len(ALL_TASKS)} tasks loaded")
os.write(1, b"printed by C at import\n")


def make(
    task_name,
    *,
    task_kwargs=None,
    modalities=None,
    seed=None,
    debug=False,
    display_debug_window=False,
    render_prompt=False,
    record_gui=False,
    record_kwargs=None,
    hide_arm_rgb=True,
):
    assert not (debug or display_debug_window or render_prompt or record_gui), "not in this stand-in"
    return VIMAEnvBase(modalities=modalities, task=task_name, task_kwargs=task_kwargs, seed=seed)
