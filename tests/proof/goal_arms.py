"""What goals gain: four arms on the same held-out seeds, paired tests, and the goals that were drawn.

CONTROL learned plans alone. DRAWING should have begun with the same weights and learned from the same data in
as many batches of plans, and in others to draw goals; it acts without a goal, on goals that it imagines, and
on the real ones, which the expert reached.

Usage: python -m tests.proof.goal_arms REPORT.md CONTROL DRAWING [EPISODES [TASK ...]]

TASKs are left out of the comparison: those for which the two had different data.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.loading import load_policy
from rollouts.imagine import COMPARED, ImagineConfig, imagine
from rollouts.output import claim
from rollouts.results.comparison import compare
from rollouts.results.statistics import wilson
from rollouts.runner import run_episodes
from rollouts.workers import MakeEnv
from rollouts.worklist import work_items
from tests.proof.tables import ROOT, played, table, write

EPISODES = 50
"""Of each task and level."""
LEVELS = ("placement", "combinatorial", "novel_object", "novel_task")
_SHOWN = {"imagined": "imagined", "first": "the first observation again", "best": "the real goal, tokenized"}
_SCORES = {
    "psnr_db": ("PSNR, dB", ".1f"),
    "features": ("features", ".3f"),
    "placed": ("things in place", ".1%"),
    "moved": ("moved things", ".1%"),
}
"""Heading and format."""
_TIMED = 4
"""Episodes of each task in which time is taken."""


def main(report: str, control: str, drawing: str, episodes: str = str(EPISODES), *left_out: str) -> int:
    count = int(episodes)
    goals = claim(ROOT / "build" / "proof" / "goals")
    config = ImagineConfig(output=str(goals), model=drawing, level="all", episodes=count, play=False, shown=0)
    drawn = imagine(config, goals)
    arms = {
        "no image loss": _arm("control", control, count),
        "image loss": _arm("none", drawing, count, goal="none"),
        "imagined goals": _arm("imagined", drawing, count, goal="imagined"),
        "real goals": _arm("real", drawing, count, goal=str(goals)),
    }
    for result in arms.values():
        result["episodes"] = [each for each in result["episodes"] if each["task"] not in left_out]
    first, acting, *shown = arms
    pairs = [(first, acting), *((first, other) for other in shown), *((acting, other) for other in shown)]
    without = f" but {', '.join(left_out)}" if left_out else ""
    head = ["level", *(f"{arm}, %" for arm in arms)]
    lines = [[level or "together", *(_rate(arms[arm], level) for arm in arms)] for level in (*LEVELS, None)]
    paired = [
        [level or "together", f"{other} against {one}", *_paired(arms[one], arms[other], level)]
        for one, other in pairs
        for level in (*LEVELS, None)
    ]
    tasks = [
        [f"{row['task']} {row['level']}", *(_rate(arms[arm], row["level"], row["task"]) for arm in arms)]
        for row in arms[first]["rows"]
        if row["task"] not in left_out
    ]
    parts = [
        f"{count} held-out seeds of each task and level{without}, greedy; per cent solved, Wilson 95 %.",
        "What the two models learned, and in how far alike, says [imagination.md](../imagination.md).",
        table(head, lines),
        "Two at a time, on the same seeds (exact McNemar):",
        table(["level", "arms", "points", "solved by it alone", "by the other alone", "p"], paired),
        "## Goals",
        f"{sum('scores' in row for row in drawn['rows'])} goals that the expert reached, and what was drawn.",
        table(["picture", *(name for name, _ in _SCORES.values())], _goal_lines(drawn["summary"])),
        _time(drawing),
        "## By task",
        table(["task and level", *arms], tasks),
    ]
    command = " ".join(["python -m tests.proof.goal_arms", report, "CONTROL DRAWING", episodes, *left_out])
    write(report, "What imagined goals gain", command, *parts)
    return 0


def _arm(name: str, policy: str, episodes: int, **arguments: Any) -> dict[str, Any]:
    keys = {"policy": policy, "policy_args": arguments, "level": "all", "workers": 2}
    return played(f"goal_arms_{name}", episodes, **keys)


def _of(result: Mapping[str, Any], level: str | None, task: str | None) -> list[Mapping[str, Any]]:
    """Its episodes of a level and a task; None stands for all."""
    return [e for e in result["episodes"] if level in (None, e["level"]) and task in (None, e["task"])]


def _rate(result: Mapping[str, Any], level: str | None, task: str | None = None) -> str:
    solved = [bool(episode["success"]) for episode in _of(result, level, task)]
    low, high = wilson(sum(solved), len(solved))
    return f"{100 * sum(solved) / len(solved):.1f} ({100 * low:.0f}–{100 * high:.0f})"


def _paired(first: Mapping[str, Any], other: Mapping[str, Any], level: str | None) -> list[str]:
    row = compare({"episodes": _of(first, level, None)}, {"episodes": _of(other, level, None)})[-1]
    points = 100 * (row["second"] - row["first"])
    return [f"{points:+.1f}", row["only_second"], row["only_first"], f"{row['p']:.2g}"]


def _goal_lines(summary: Mapping[str, Mapping[str, Sequence[float]]]) -> list[list[str]]:
    return [
        [_SHOWN[kind], *(format(summary[kind][score][0], form) for score, (_, form) in _SCORES.items())]
        for kind in COMPARED
        if kind in summary
    ]


def _time(drawing: str) -> str:
    policy, spent = load_policy(drawing, device="cpu"), {"act": 0.0, "_goals": 0.0}

    def timed(name: str) -> Callable[..., Any]:
        method = getattr(policy, name)

        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = method(*arguments)
            spent[name] += time.perf_counter() - began
            return result

        return call

    for name in spent:
        setattr(policy, name, timed(name))
    work = work_items("vima", "all", "placement", seed=6_000_000, episodes=_TIMED)
    count = sum(1 for _ in run_episodes(work, MakeEnv({}), policy, slots=8, frames=False))
    imagining, deciding = spent["_goals"], spent["act"]
    return (
        f"In {count} more episodes, eight at a time, imagining took {imagining:.1f} of {deciding:.1f} s of "
        f"deciding ({imagining / deciding:.0%}); {policy.drawn} goals were drawn, and {policy.dropped} "
        "episodes went without one because none was believed."
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
