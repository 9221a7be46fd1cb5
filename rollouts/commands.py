"""`uio2 collect` and `uio2 train`: from the keys of the command to the dataclass of the function that does
the work.
"""

from collections.abc import Mapping
from typing import Any

from rollouts.output import claim, write_config


def collect(keys: Mapping[str, Any]) -> int:
    """`uio2 collect`."""
    from rollouts.collect import CollectConfig
    from rollouts.collect import collect as run
    from rollouts.worklist import check_environment, level_names, task_names

    flat = {key: value for key, value in keys.items() if key not in ("ray", "task")}
    flat["level"] = level_names(keys["level"])[0]
    config = CollectConfig(
        **flat, tasks=tuple(task_names(keys["env"], keys["task"])), ray_address=keys["ray"]["address"]
    )
    output = claim(config.output)
    check_environment(config.make_env(), config.work()[0])
    result = run(config)
    write_config(output, dict(keys))
    outcomes = (
        ", ".join(f"{count} {status}" for status, count in result.outcomes.items()) or "nothing left to play"
    )
    print(f"dataset  {output}: {result.published} episodes ({outcomes})")
    if result.interrupted:
        raise KeyboardInterrupt
    return 1 if result.outcomes.get("error") else 0
