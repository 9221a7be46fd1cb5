"""`uio2 collect`: record episodes as a LeRobot dataset."""

from collections.abc import Mapping
from typing import Any

from rollouts.collect import CollectConfig, collect
from rollouts.output import claim, write_config
from rollouts.workers import check_job
from rollouts.worklist import collected_level, collected_tasks


def main(keys: Mapping[str, Any]) -> int:
    """Collect, or go on with a collection that was stopped."""
    flat = {key: value for key, value in keys.items() if key not in ("ray", "task")}
    flat["level"] = collected_level(keys["env"], keys["level"])
    tasks = collected_tasks(keys["env"], keys["task"], flat["level"])
    config = CollectConfig(**flat, tasks=tasks, ray_address=keys["ray"]["address"])
    output = claim(config.output)
    work = config.work()
    if work:  # of few episodes a shard may have none
        check_job(work[0], config.job(), workers=config.workers, ray_address=config.ray_address)
    result = collect(config)
    write_config(output, dict(keys))
    outcomes = ", ".join(f"{count} {status}" for status, count in result.outcomes.items())
    said = outcomes or f"of {config.episodes} episodes none is for shard {config.shard}"
    said += "; nothing was left to play" if work and not result.played and not result.interrupted else ""
    print(f"dataset  {output}: {result.published} episodes ({said})")
    if result.interrupted:
        raise KeyboardInterrupt
    return 1 if result.outcomes.get("error") else 0
