"""A benchmark's own summary of an evaluation: tasks by level, a mean for each level, the mean of the levels.

A level's mean is unweighted over its tasks, however many episodes each has; the last number is the mean of
the level means. Unusual: nothing is passed over in silence. A level of which tasks are missing says which,
and whether they do not exist here, were not asked for, or are not played yet. Which tasks a level has, its
suite says (`envs.suites.Benchmark`).

It refuses to know how tables are drawn (`benchmark_tables`). It computes from the rows of an evaluation
alone, so workers, slots and sittings leave no trace.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from envs.suites import Suite
from rollouts.results.statistics import mean_interval

NOT_BUILT, NOT_ASKED, NOT_PLAYED = "not built", "not asked for", "not played yet"


def summarise_levels(
    suite: Suite,
    rows: Sequence[Mapping[str, Any]],
    episodes: Sequence[Mapping[str, Any]],
    env_kwargs: Mapping[str, Any],
    asked: Collection[tuple[str, str]],
) -> dict[str, Any] | None:
    """Return the summary of an evaluation, plain JSON values; None where no row belongs to a benchmark.

    Arguments:
        rows, episodes: Those of `result.json`.
        env_kwargs: Further arguments of `gym.make`: they say which simulator was measured.
        asked: The (task, level) that the work list holds.
    """
    benchmark = suite.benchmark
    if benchmark is None:
        return None
    levels, holding = benchmark.levels, benchmark.tasks
    found = {
        (row["task"], row["level"]): row
        for row in rows
        if row["env"] == suite.name and row["level"] in holding.get(row["task"], ())
    }
    if not found:
        return None
    tasks = [task for task in holding if any((task, level) in found for level in levels)]
    built = suite.task_levels()
    means = [
        _level(level, [t for t in holding if level in holding[t]], built, found, asked) for level in levels
    ]
    seeds = [episode["seed"] for episode in episodes if (episode["task"], episode["level"]) in found]
    numbers = [row["episodes"] for row in found.values()]
    return {
        "title": benchmark.title,
        "tasks": [{"task": task, "max_steps": suite.max_steps(task, env_kwargs)} for task in tasks],
        "levels": means,
        "mean": _mean_of_levels(means, found),
        "episodes_per_task": [min(numbers), max(numbers)],
        "seeds": [min(seeds), max(seeds)],
        "budget": benchmark.budget,
        "simulator": benchmark.simulator(env_kwargs),
        "published": None if benchmark.published is None else published(benchmark.published),
    }


@cache
def published(path: Path) -> dict[str, Any]:
    """Return a suite's published rows, with their sources and how sure they are."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _level(
    level: str,
    held: Sequence[str],
    built: Collection[str],
    found: Mapping[tuple, Mapping],
    asked: Collection[tuple[str, str]],
) -> dict[str, Any]:
    """The mean of one level over those of its tasks that were evaluated, and what became of the others."""
    rows = [found[task, level] for task in held if (task, level) in found]
    missing: dict[str, list[str]] = {NOT_BUILT: [], NOT_ASKED: [], NOT_PLAYED: []}
    for task in held:
        if (task, level) not in found:
            asked_for = NOT_PLAYED if (task, level) in asked else NOT_ASKED
            missing[asked_for if task in built else NOT_BUILT].append(task)
    rates, low, high = _mean(rows, [1 / len(rows)] * len(rows)) if rows else (None, None, None)
    return {
        "level": level,
        "evaluated": [row["task"] for row in rows],
        "of": len(held),
        "missing": {reason: names for reason, names in missing.items() if names},
        "episodes": sum(row["episodes"] for row in rows),
        "rate": rates,
        "low": low,
        "high": high,
    }


def _mean_of_levels(levels: Sequence[Mapping[str, Any]], found: Mapping[tuple, Mapping]) -> dict[str, Any]:
    """The mean of the level means; without a number while a level has no task at all."""
    complete = all(not level["missing"] for level in levels)
    empty = {"rate": None, "low": None, "high": None, "complete": complete}
    if any(not level["evaluated"] for level in levels):
        return empty
    parts = [(task, level) for level in levels for task in level["evaluated"]]
    rows = [found[task, level["level"]] for task, level in parts]
    weights = [1 / len(levels) / len(level["evaluated"]) for _, level in parts]
    return {**empty, **dict(zip(("rate", "low", "high"), _mean(rows, weights), strict=True))}


def _mean(rows: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> tuple[float, float, float]:
    rates = [row["rate"] for row in rows]
    low, high = mean_interval(rates, [(row["low"], row["high"]) for row in rows], weights)
    return sum(weight * rate for weight, rate in zip(weights, rates, strict=True)), low, high
