"""`uio2 collect`: record episodes as a LeRobot dataset."""

from collections.abc import Mapping
from typing import Any

from pretrain.sources import schema
from rollouts.collect import CollectConfig, collect
from rollouts.output import claim, write_config
from rollouts.pages.console import error_lines
from rollouts.workers import check_job
from rollouts.worklist import one_level


def configured(keys: Mapping[str, Any]) -> CollectConfig:
    """The collection that is asked for."""
    flat = {key: value for key, value in keys.items() if key not in ("ray", "task")}
    flat["level"], tasks = one_level(keys["env"], keys["task"], keys["level"])
    return CollectConfig(**flat, tasks=tasks, ray_address=keys["ray"]["address"])


def main(keys: Mapping[str, Any]) -> int:
    """Collect, or go on with a collection that was stopped."""
    config = configured(keys)
    output = claim(config.output)
    work = config.work()
    if work:  # of few episodes a shard may have none
        check_job(work[0], config.job(), **config.crew())
    result = collect(config)
    write_config(output, dict(keys))
    outcomes = ", ".join(f"{count} {status}" for status, count in result.outcomes.items())
    said = outcomes or f"of {config.episodes} episodes none is for shard {config.shard}"
    said += "; nothing was left to play" if work and not result.played and not result.interrupted else ""
    print(f"dataset  {output}: {result.published} episodes ({said})")
    for line in error_lines(schema.read_lines(output / schema.ERRORS_PATH)):
        print(line)
    if result.interrupted:
        raise KeyboardInterrupt
    return 1 if result.outcomes.get("error") else 0
