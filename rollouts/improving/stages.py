"""What a stage of a loop does: collect a set, train, or evaluate. Each goes on by itself where it was
stopped, and returns the plain facts that the record keeps.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pretrain.sources import schema
from pretrain.sources.schema import DatasetError
from pretrain.trainer import train
from rollouts.collect import CollectConfig, collect
from rollouts.errors import RolloutError
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.improving.settings import ImproveConfig
from rollouts.output import claim, write_config
from rollouts.pages import report
from rollouts.pages.console import error_lines
from rollouts.results.statistics import wilson

KINDS = ("led", "own", "demonstrations")
"""The sets: led by the policy and labelled by the expert, solved by the policy alone, the expert's own."""


def collected(config: ImproveConfig, kind: str, round: int, policy: str, folder: Path) -> dict[str, Any]:
    """Collect a round's set of a kind (`KINDS`) with the policy of a checkpoint directory."""
    level, tasks = config.tasks()
    first, end = config.collected_seeds(round)[kind]
    who: dict[str, Any] = {"policy": "oracle", "expert_style": config.expert_style}
    if kind == "led":
        who["policy_args"] = {"noise": config.noise, "astray": config.astray, "by": policy}
    if kind == "own":
        who = {"policy": policy, "policy_args": config.policy_args}
    result = collect(
        CollectConfig(
            output=str(claim(folder)),
            env=config.env,
            env_kwargs=config.env_kwargs,
            tasks=tasks,
            level=level,
            episodes=(end - first) * len(tasks),
            seed=first,
            success_only=kind != "led",
            slots=config.slots,
            workers=config.workers,
            **who,
        )
    )
    if result.interrupted:
        raise KeyboardInterrupt
    for line in error_lines(schema.read_lines(folder / schema.ERRORS_PATH)):
        print(line)
    return {"seeds": [first, end - 1], "outcomes": dict(sorted(result.outcomes.items())), **_held(folder)}


def _held(folder: Path) -> dict[str, int]:
    """How many episodes of a set are learned, and how many are not: unsolved, and the expert said nothing."""
    rows = episodes(folder)
    learned = sum(bool(row["success"] or row["has_expert"]) for row in rows)
    return {"episodes": len(rows), "learned": learned, "unlabelled": len(rows) - learned}


def episodes(folder: Path) -> list[dict[str, Any]]:
    """Return the facts of a set's episodes; none where all were dropped."""
    try:
        return schema.read_index(folder)
    except DatasetError:
        if (folder / schema.INDEX_PATH).exists():
            raise
        return []


def trained(
    config: ImproveConfig, round: int, model: str, data: Sequence[str], folder: Path, draws: bool
) -> dict[str, Any]:
    """Train from a checkpoint directory on all the sets."""
    settings = config.training(round, model, data, str(claim(folder)), draws)
    train(settings, ready=lambda: write_config(folder, asdict(settings) | {"data": list(data)}))
    return {"steps": settings.steps, "sets": len(data)}


def evaluated(config: ImproveConfig, kind: str, policy: str, folder: Path) -> dict[str, Any]:
    """Evaluate a checkpoint directory on the seeds for `validation` or `test`, and write the page."""
    first, end = config.judged_seeds()[kind]
    result = evaluate(
        EvaluateConfig(
            output=str(claim(folder)),
            env=config.env,
            env_kwargs=config.env_kwargs,
            policy=policy,
            policy_args=config.policy_args,
            task=config.task,
            level=config.level,
            episodes=end - first,
            seed=first,
            slots=config.slots,
            workers=config.workers,
            videos=0,
        ),
        folder,
    )
    report.write_evaluation(folder, result)
    failed = [row for row in result["episodes"] if row["status"] == "error"]
    if len(failed) == len(result["episodes"]):
        raise RolloutError(f"every episode of {folder} ended in an error: {failed[0]['message']}")
    names = ("task", "level", "episodes", "successes", "rate", "low", "high")
    rows = [{name: row[name] for name in names} for row in result["rows"]]
    return {"seeds": [first, end - 1], "errors": len(failed), "rows": [*rows, together(rows)]}


def together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the rows of all tasks and levels as one."""
    count = Counter()
    for row in rows:
        count.update({name: row[name] for name in ("episodes", "successes")})
    low, high = wilson(count["successes"], count["episodes"])
    rate = count["successes"] / count["episodes"]
    return {"task": "all", "level": "all", **count, "rate": rate, "low": low, "high": high}
