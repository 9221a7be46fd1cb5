"""What an evaluation leaves behind: `result.json`, from the rows of its episodes.

Every number in `rows` and `episodes` follows from the work list, the policy and the code alone: how many
workers and slots there were, in how many sittings it was done, and how long it took stand elsewhere in the
file (`seconds`, `timing`). An episode that ended in an error counts as not solved and is never dropped.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from envs.suites import suite as find_suite
from policies.prompts import described_prompt
from rollouts.errors import RolloutError
from rollouts.output import write_json
from rollouts.results.benchmark import summarise_levels
from rollouts.results.statistics import wilson
from rollouts.runner import PHASES, Episode
from rollouts.versions import git_sha, versions

RESULT = "result.json"


def episode_row(episode: Episode) -> tuple[dict[str, Any], list[float]]:
    """The row of an episode, and its seconds by phase. `actions` are the embodiment's vectors: enough to play
    it again.
    """
    first = episode.infos[0] if episode.infos else None
    row = {
        "task": episode.work.task,
        "level": episode.work.level,
        "seed": episode.work.seed,
        "success": episode.success,
        "failure": episode.failure,
        "status": episode.status,
        "steps": episode.steps,
        "prompt": described_prompt(first["prompt"], first["prompt_assets"]) if first else "",
        "metrics": {name: float(value) for name, value in episode.infos[-1].get("metrics", {}).items()}
        if first
        else {},
        "actions": [episode.body.vector(action).tolist() for action in episode.actions],
        "action_texts": episode.action_texts,
        "policy": episode.policy,
    }
    if episode.message:
        row["message"] = episode.message
    return row, [round(episode.timings[phase], 4) for phase in PHASES]


def summarise(episodes: Sequence[Mapping[str, Any]], env: str, policy: str) -> list[dict[str, Any]]:
    """One row for each task and level, in order of first occurrence, with Wilson's 95 % interval."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for episode in episodes:
        groups.setdefault((episode["task"], episode["level"]), []).append(episode)
    rows = []
    for (task, level), group in groups.items():
        successes = sum(episode["success"] for episode in group)
        low, high = wilson(successes, len(group))
        counts = {
            name: sum(e["status"] == status for e in group)
            for name, status in (("failures", "failure"), ("truncated", "truncated"), ("errors", "error"))
        }
        rows.append(
            {
                "env": env,
                "task": task,
                "level": level,
                "policy": policy,
                "episodes": len(group),
                "successes": successes,
                "rate": successes / len(group),
                "low": low,
                "high": high,
                "metrics": {"steps": sum(e["steps"] for e in group) / len(group), **counts, **_means(group)},
            }
        )
    return rows


def _means(group: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means of the environment's own metrics over the episodes that have them (errors may not)."""
    values: dict[str, list[float]] = {}
    for episode in group:
        for name, value in episode.get("metrics", {}).items():
            values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def timing(episodes: Sequence[Mapping[str, Any]], seconds: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Milliseconds for each task and level: `reset` of an episode, `policy` and `step` of an action."""
    groups: dict[tuple[str, str], list[float]] = {}
    for episode, spent in zip(episodes, seconds, strict=True):
        group = groups.setdefault((episode["task"], episode["level"]), [0.0, 0.0, *[0.0] * len(PHASES)])
        group[:] = [a + b for a, b in zip(group, [1, episode["steps"], *spent], strict=True)]
    return [
        {
            "task": task,
            "level": level,
            "reset_ms": 1e3 * reset / count,
            "policy_ms": 1e3 * policy / max(steps, 1),
            "step_ms": 1e3 * step / max(steps, 1),
        }
        for (task, level), (count, steps, reset, policy, step) in groups.items()
    ]


def save(
    directory: Path,
    recipe: Mapping[str, Any],
    config: Mapping[str, Any],
    done: Mapping[Any, tuple],
    asked: Collection[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Write `result.json` of (row, seconds) pairs, in their order, and return its content.

    `asked` are the (task, level) of the work list; without them there is no summary of the benchmark.
    """
    episodes, seconds = [row for row, _ in done.values()], [spent for _, spent in done.values()]
    suite = find_suite(recipe["env"])
    rows = summarise(episodes, suite.name, _called(episodes, recipe["policy"]))
    result = {
        "rows": rows,
        "shown_metrics": list(suite.shown_metrics),
        "benchmark": None
        if asked is None
        else summarise_levels(suite, rows, episodes, recipe["env_kwargs"], asked),
        "episodes": episodes,
        "recipe": dict(recipe),
        "config": dict(config),
        "checkpoint_hash": recipe["checkpoint_hash"],
        "git_sha": git_sha(),
        "versions": versions(),
        "timing": timing(episodes, seconds),
        "seconds": seconds,
    }
    write_json(directory / RESULT, result)
    return result


def policy_name(result: Mapping[str, Any]) -> str:
    """Return what the policy of an evaluation calls itself."""
    return result["rows"][0]["policy"] if result["rows"] else result["recipe"]["policy"]


def _called(episodes: Sequence[Mapping[str, Any]], spec: str) -> str:
    """The policy's own name, which an episode lacks whose worker died, and those of older programs."""
    names = (episode.get("policy") for episode in episodes)
    return next((name for name in names if name and name != spec), spec)


def load(directory: str | Path) -> dict[str, Any]:
    """Read the result of an evaluation; RolloutError in one line where there is none."""
    path = Path(directory).expanduser() / RESULT
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RolloutError(
            f"{directory} holds no {RESULT}: name a directory that uio2 evaluate or rollout wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise RolloutError(f"cannot read {path}: {error}") from error
