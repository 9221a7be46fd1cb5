"""Do two policies differ, judged on the seeds that both evaluations played?

Seeds are the same scenes for both, so only those on which the two disagree carry information: an exact
McNemar test per task and level, and over all of them.
"""

from collections.abc import Mapping
from typing import Any

from rollouts.errors import RolloutError
from rollouts.results.statistics import mcnemar


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows for each shared task and level, and a last one over all; RolloutError if no seed is shared."""
    solved = [
        {(e["task"], e["level"], e["seed"]): bool(e["success"]) for e in result["episodes"]}
        for result in (first, second)
    ]
    shared = [key for key in solved[0] if key in solved[1]]
    if not shared:
        raise RolloutError(
            "the two evaluations share no (task, level, seed); evaluate both on the same seeds"
        )
    groups = dict.fromkeys((task, level) for task, level, _ in shared)
    rows = [_row(*group, [key for key in shared if key[:2] == group], *solved) for group in groups]
    return [*rows, _row("all", "all", shared, *solved)] if len(rows) > 1 else rows


def _row(task: str, level: str, keys: list[tuple], first: dict, second: dict) -> dict[str, Any]:
    only_first = sum(first[key] and not second[key] for key in keys)
    only_second = sum(second[key] and not first[key] for key in keys)
    return {
        "task": task,
        "level": level,
        "seeds": len(keys),
        "first": sum(first[key] for key in keys) / len(keys),
        "second": sum(second[key] for key in keys) / len(keys),
        "only_first": only_first,
        "only_second": only_second,
        "p": mcnemar(only_first, only_second),
    }
