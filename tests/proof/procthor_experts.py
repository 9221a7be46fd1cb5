"""What ProcTHOR's experts solve in held-out houses of ours.

Usage: python -m tests.proof.procthor_experts REPORT.md [EPISODES OF EACH TASK AND SIZE]
"""

import sys
from collections.abc import Mapping
from typing import Any

from tests.proof.tables import played, rate, table, together, write

EPISODES = 100
"""Of each task and size of house."""
TASKS = ("ObjectNav", "PickAndPlace")


def main(report: str, episodes: str = str(EPISODES)) -> int:
    rows = []
    for task in TASKS:  # of two bodies, so no evaluation plays both
        result = played(
            f"procthor_experts_{task}",
            int(episodes),
            env="procthor",
            task=task,
            level="all",
            policy="oracle",
            env_kwargs={"size": 32, "sensors": []},
        )
        rows += [[task, row["level"], *_figures(row)] for row in result["rows"]]
        rows.append([task, "all", *_figures(together(result["rows"]))])
    write(
        report,
        "ProcTHOR",
        f"python -m tests.proof.procthor_experts {report} {episodes}",
        f"{episodes} held-out seeds from 5,000,000 of each task and size of house; Wilson 95 % intervals.",
        table(["task", "houses", "solved", "mean SPL", "picked up", "failed interactions an episode"], rows),
    )
    return 0


def _figures(row: Mapping[str, Any]) -> list[str]:
    metrics = row["metrics"]
    handled = (
        [f"{metrics['picked']:.1%}", f"{metrics['failed_interactions']:.2f}"] if "picked" in metrics else []
    )
    return [rate(row), f"{metrics['spl']:.3f}", *(handled or ["", ""])]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
