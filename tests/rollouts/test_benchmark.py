"""VIMA-Bench's summary: means against arithmetic done here, levels that say what they lack, and the same
numbers however the work was cut.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import envs.vima.registration as registration
from envs.vima.levels import TASK_LEVELS
from envs.vima.suite import SUITE
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.pages import report
from rollouts.results.benchmark import published, summarise_levels
from rollouts.results.benchmark_tables import holds_whole_level, panels
from rollouts.results.files import summarise
from rollouts.results.statistics import mean_interval, wilson

LEVELS = {"placement": 13, "combinatorial": 13, "novel_object": 12, "novel_task": 4}
CELLS = [(task, level) for level in LEVELS for task, held in TASK_LEVELS.items() if level in held]


def episodes_of(solved: dict[tuple[str, str], tuple[int, int]]) -> list[dict[str, Any]]:
    """Episodes of each (task, level): so many solved of so many."""
    return [
        {"task": t, "level": at, "seed": 5_000_000 + i, "success": i < good, "status": "success", "steps": 1}
        for (t, at), (good, count) in solved.items()
        for i in range(count)
    ]


def summary_of(solved: dict[tuple[str, str], tuple[int, int]], asked: Any = None, **kwargs: Any) -> Any:
    episodes = episodes_of(solved)
    rows = summarise(episodes, "vima", "nano")
    return summarise_levels(SUITE, rows, episodes, kwargs, solved if asked is None else asked), rows


@pytest.fixture(scope="module")
def whole() -> dict[tuple[str, str], tuple[int, int]]:
    rng = np.random.default_rng(0)
    counts = rng.integers(20, 40, len(CELLS))
    return {cell: (int(rng.integers(n + 1)), int(n)) for cell, n in zip(CELLS, counts, strict=True)}


def test_means_are_unweighted_over_tasks_and_over_levels(whole: dict) -> None:
    summary, _ = summary_of(whole)
    means = []
    for level, (name, count) in zip(summary["levels"], LEVELS.items(), strict=True):
        rates = [good / n for (_, at), (good, n) in whole.items() if at == name]
        assert (level["level"], level["of"], len(level["evaluated"]), level["missing"]) == (
            name,
            count,
            count,
            {},
        )
        assert (
            level["rate"] == pytest.approx(sum(rates) / count)
            and level["low"] < level["rate"] < level["high"]
        )
        means.append(sum(rates) / count)
    assert summary["mean"]["rate"] == pytest.approx(sum(means) / 4) and summary["mean"]["complete"]
    assert summary["episodes_per_task"] == [
        min(n for _, n in whole.values()),
        max(n for _, n in whole.values()),
    ]
    assert summary["seeds"][0] == 5_000_000 and len(summary["tasks"]) == 17


def test_interval_of_a_mean_is_that_of_its_only_rate_and_covers() -> None:
    assert mean_interval([0.9], [(0.8, 0.97)], [1.0]) == pytest.approx((0.8, 0.97))
    rng = np.random.default_rng(1)
    rates, covered, repeats = np.array([0.97, 0.6, 0.3, 0.99, 0.8]), 0, 1000
    for _ in range(repeats):
        solved = rng.binomial(40, rates)
        low, high = mean_interval(solved / 40, [wilson(int(k), 40) for k in solved], [0.2] * 5)
        covered += low <= rates.mean() <= high
    assert covered / repeats > 0.93


def test_a_level_says_what_it_lacks(whole: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    left = {
        cell: whole[cell] for cell in CELLS if cell[1] != "novel_task" and cell[0] not in ("twist", "rotate")
    }
    built = {task: place for task, place in registration.TASKS.items() if task != "twist"}
    monkeypatch.setattr("envs.vima.suite.TASKS", built)
    summary, rows = summary_of(left, asked={*left, ("rotate", "placement")})
    placement, combinatorial, _, novel_task = summary["levels"]
    assert placement["missing"] == {"not built": ["twist"], "not played yet": ["rotate"]}
    assert combinatorial["missing"] == {"not built": ["twist"], "not asked for": ["rotate"]}
    assert len(novel_task["missing"]["not asked for"]) == 4 and novel_task["rate"] is None
    assert summary["mean"] == {"rate": None, "low": None, "high": None, "complete": False}
    shown = shown_in_terminal({"rows": rows, "benchmark": summary})
    assert "placement is incomplete, not built: twist" in shown and "not played yet: rotate" in shown
    assert "novel_task is incomplete, not asked for: all its tasks" in shown


def test_other_environments_tasks_and_levels_have_no_part(whole: dict) -> None:
    first = next(iter(whole))
    extra = {("my_own_task", "placement"): (1, 2), (first[0], "train"): (0, 9)}
    assert summary_of(whole | extra)[0] == summary_of(whole)[0]
    assert summary_of(extra)[0] is None
    episodes = episodes_of(whole)
    assert summarise_levels(SUITE, summarise(episodes, "toy", "nano"), episodes, {}, whole) is None


def shown_in_terminal(result: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for shown in report.benchmark_tables(result):
        console.print(shown)
    return " ".join(console.export_text().split())


def test_both_tables_are_shown_and_ours_cannot_be_mistaken_for_theirs(whole: dict) -> None:
    summary, rows = summary_of(whole)
    shown = shown_in_terminal({"rows": rows, "benchmark": json.loads(json.dumps(summary))})
    assert "measured on another simulator (PyBullet)" in shown and "simulator uio2-agent (MuJoCo)" in shown
    for words in ("oracle_max_steps + 2", "seeds 5000000 to", "Wilson", "UIO-2 XXL", "71.3", "56.3"):
        assert words in shown, words
    assert f"{100 * summary['mean']['rate']:.1f}" in shown
    upstream = {"rows": rows, "benchmark": summary_of(whole, backend="upstream")[0]}
    assert "another simulator" not in shown_in_terminal(upstream)


@pytest.mark.parametrize("lacking", ["a task", "episodes"])
def test_published_numbers_stand_beside_whole_levels_only(whole: dict, lacking: str) -> None:
    """Without one task of placement, or with too few episodes of it, the other levels still have theirs."""
    cut = dict(whole)
    if lacking == "a task":
        del cut["rotate", "placement"]
    else:
        cut["rotate", "placement"] = (3, 19)
    summary, rows = summary_of(cut)
    (_, (head, lines), _) = panels(summary, rows)[1]
    assert head == ["published", "combinatorial", "novel object", "novel task"]
    assert ["UIO-2 XXL", "70.4", "68.0", "15.5"] in lines  # as in the paper
    (_, (head, lines), _) = panels(*summary_of(whole))[1]
    assert head == ["published", "placement", "combinatorial", "novel object", "novel task", "mean"]
    assert ["UIO-2 XXL", "71.3", "70.4", "68.0", "15.5", "56.3"] in lines
    few = {cell: count for cell, count in whole.items() if cell[0] == "rotate"}
    assert len(panels(*summary_of(few))) == 1
    assert not holds_whole_level(summary_of(few)[0]) and holds_whole_level(summary)


def test_published_rows_are_consistent_with_their_own_means() -> None:
    """A mistyped digit moves a mean; where paper and levels disagree, the row says so."""
    shown = published(SUITE.benchmark.published)
    for row in shown["rows"]:
        mean = sum(row[level] for level in LEVELS) / 4
        assert abs(mean - row["mean"]) < 0.051 or "the four levels give" in row["confidence"], row["policy"]
        assert row["source"] in shown["sources"]


def test_the_cut_of_the_work_does_not_change_the_summary(rendering: None, tmp_path: Path) -> None:
    results = []
    for name, changes in {"one": {"slots": 1}, "many": {"slots": 4}, "halves": {"episodes": 1}}.items():
        (tmp_path / name).mkdir()
        keys = {"policy": "random", "task": ["rotate", "same_texture"], "level": "all", "episodes": 2}
        keys |= {"output": str(tmp_path / name), "videos": 0}
        if name == "halves":  # a first sitting plays one episode of each, the second adds the other
            evaluate(EvaluateConfig(**keys | changes), tmp_path / name)
            changes = {}
        results.append(evaluate(EvaluateConfig(**keys | changes), tmp_path / name))
    one = results[0]["benchmark"]
    assert all(result["benchmark"] == one for result in results)
    assert [level["evaluated"] for level in one["levels"]] == [["rotate"]] * 3 + [["same_texture"]]
    assert one["mean"]["rate"] is not None and not one["mean"]["complete"]
    page = report.write_evaluation(tmp_path / "one", results[0]).read_text()
    assert "tasks by level" in page and "PyBullet" not in page and "UIO-2 XXL" not in page
    assert "ms per episode" in page
