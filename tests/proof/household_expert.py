"""What the expert of pick and place solves in held-out houses of ours.

Usage: python -m tests.proof.household_expert REPORT.md [EPISODES OF EACH SIZE]
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rollouts.results.statistics import wilson
from tests.proof.tables import played, rate, table, write

EPISODES = 100
"""Of each size of house."""


def main(report: str, episodes: str = str(EPISODES)) -> int:
    result = played(
        "household_expert",
        int(episodes),
        env="procthor",
        task="PickAndPlace",
        level="all",
        policy="oracle",
        env_kwargs={"size": 32, "sensors": []},
    )
    head = ["houses", "solved", "mean SPL", "picked up", "failed interactions an episode"]
    rows = [[row["level"], *_figures(row)] for row in result["rows"]]
    write(
        report,
        "Pick and place",
        f"python -m tests.proof.household_expert {report} {episodes}",
        f"{episodes} held-out seeds from 5,000,000 of each size of house; Wilson 95 % intervals.",
        table(head, [*rows, ["all", *_figures(_together(result["rows"]))]]),
    )
    return 0


def _figures(row: Mapping[str, Any]) -> list[str]:
    metrics = row["metrics"]
    return [
        rate(row),
        f"{metrics['spl']:.3f}",
        f"{metrics['picked']:.1%}",
        f"{metrics['failed_interactions']:.2f}",
    ]


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    episodes, solved = (sum(row[key] for row in rows) for key in ("episodes", "successes"))
    low, high = wilson(solved, episodes)
    metrics = {
        name: sum(row["metrics"][name] * row["episodes"] for row in rows) / episodes
        for name in ("spl", "picked", "failed_interactions")
    }
    figures = {"successes": solved, "episodes": episodes, "rate": solved / episodes, "low": low, "high": high}
    return {**figures, "metrics": metrics}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
