"""`uio2 collect` and `uio2 train`: from the keys of the command to the configuration of the work."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rollouts.output import claim, write_config


def collect(keys: Mapping[str, Any]) -> int:
    """`uio2 collect`."""
    from rollouts.collect import CollectConfig
    from rollouts.collect import collect as run
    from rollouts.datasets.encoding import check_pictures
    from rollouts.worklist import check_environment, collected_tasks, level_names

    flat = {key: value for key, value in keys.items() if key not in ("ray", "task")}
    flat["level"] = level_names(keys["level"])[0]
    tasks = collected_tasks(keys["env"], keys["task"], flat["level"])
    config = CollectConfig(**flat, tasks=tasks, ray_address=keys["ray"]["address"])
    output = claim(config.output)
    check_pictures(check_environment(config.make_env(), config.work()[0]))
    result = run(config)
    write_config(output, dict(keys))
    outcomes = ", ".join(f"{count} {status}" for status, count in result.outcomes.items())
    print(f"dataset  {output}: {result.published} episodes ({outcomes or 'nothing was left to play'})")
    if result.interrupted:
        raise KeyboardInterrupt
    return 1 if result.outcomes.get("error") else 0


def train(keys: Mapping[str, Any]) -> int:
    """`uio2 train`."""
    from pretrain.trainer import TrainConfig
    from pretrain.trainer import train as run

    flat = {key: value for key, value in keys.items() if key != "evaluate"}
    data = keys["data"]
    flat["data"] = tuple(data) if isinstance(data, list) else (data,)
    if isinstance(keys["lora_targets"], list):
        flat["lora_targets"] = ",".join(keys["lora_targets"])
    output = claim(keys["output"])
    evaluate = evaluation(keys["evaluate"]) if keys["evaluate_every"] else None
    write_config(output, dict(keys))
    checkpoint = run(TrainConfig(**flat), evaluate)
    print(f"model    {checkpoint}")
    return 0


def evaluation(keys: Mapping[str, Any]) -> Callable[[Path, int], dict[str, float]]:
    """What training calls on the way: a checkpoint directory to success rates, named `success/<task>`.

    One environment is made and reset at once, so that a machine that cannot render says so before it trains.
    """
    from policies import load_policy
    from rollouts.evaluate import measure
    from rollouts.workers import MakeEnv
    from rollouts.worklist import check_environment, work_items

    work = work_items(keys["env"], keys["task"], keys["level"], seed=keys["seed"], episodes=keys["episodes"])
    check_environment(MakeEnv(), work[0])
    levels = {item.level for item in work}

    def evaluate(checkpoint: Path, step: int) -> dict[str, float]:
        rows = measure(load_policy(str(checkpoint)), work)
        names = [f"{row['task']} {row['level']}" if len(levels) > 1 else row["task"] for row in rows]
        return {f"success/{name}": row["rate"] for name, row in zip(names, rows, strict=True)}

    return evaluate
