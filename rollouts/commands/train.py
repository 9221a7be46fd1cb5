"""`uio2 train`: train a model on datasets of episodes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rollouts.commands.train_settings import configured
from rollouts.output import claim, write_config


def main(keys: Mapping[str, Any]) -> int:
    """Train, or go on with a run that was stopped."""
    from pretrain.progress import say
    from pretrain.trainer import train

    output = claim(keys["output"])
    config = configured({**keys, "output": output})
    evaluate = evaluation(keys["evaluate"]) if keys["evaluate_every"] else None
    checkpoint = train(config, evaluate, ready=lambda: write_config(output, dict(keys)))
    say(f"model    {checkpoint}")
    return 0


def evaluation(keys: Mapping[str, Any]) -> Callable[[Path, int], dict[str, float]]:
    """What training calls on the way: a checkpoint directory to success rates, named `success/<task>`.

    One environment is made and reset at once, so that a machine that cannot render says so before it trains.
    """
    from policies import load_policy
    from rollouts.evaluate import measure
    from rollouts.trial import check_environment
    from rollouts.workers import MakeEnv
    from rollouts.worklist import work_items

    work = work_items(keys["env"], keys["task"], keys["level"], seed=keys["seed"], episodes=keys["episodes"])
    check_environment(MakeEnv(), work[0])
    levels = {item.level for item in work}

    def evaluate(checkpoint: Path, step: int) -> dict[str, float]:
        rows = measure(load_policy(str(checkpoint)), work)
        names = [f"{row['task']} {row['level']}" if len(levels) > 1 else row["task"] for row in rows]
        return {f"success/{name}": row["rate"] for name, row in zip(names, rows, strict=True)}

    return evaluate
