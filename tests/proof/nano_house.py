"""The packaged walker beside the random policy and the expert, in held-out houses.

Usage: python -m tests.proof.nano_house REPORT.md
"""

import sys

from rollouts.commands.compare import compare
from tests.proof.tables import played, rate, table, write

EPISODES = 50
"""Of each size of house."""


def main(report: str) -> int:
    results = {
        policy: played(
            f"nano_house_{policy}", EPISODES, env="habitat", task="PointNav", level="all", policy=policy
        )
        for policy in ("random", "nano_house", "oracle")
    }
    pairs = {row["level"]: row for row in compare(results["random"], results["nano_house"])}
    rows = []
    for of_policies in zip(*(result["rows"] for result in results.values()), strict=True):
        level = of_policies[0]["level"]
        shown = [f"{rate(row)}, SPL {row['metrics']['spl']:.2f}" for row in of_policies]
        rows.append([level, *shown, f"{pairs[level]['p']:.2g}"])
    fates = [
        [row["level"], *_fates(results["nano_house"], row["level"])] for row in results["oracle"]["rows"]
    ]
    parts = [
        f"PointNav, {EPISODES} held-out seeds from 5,000,000 of each size of house; Wilson 95 % intervals.",
        table(["houses", *results, "p (McNemar, nano_house and random)"], rows),
        "What became of nano_house's episodes:",
        table(["houses", "solved", "stopped elsewhere", "time was up"], fates),
    ]
    write(report, "A walker's success", f"python -m tests.proof.nano_house {report}", *parts)
    return 0


def _fates(result: dict, level: str) -> list[int]:
    of_level = [row["status"] for row in result["episodes"] if row["level"] == level]
    return [of_level.count(status) for status in ("success", "failure", "truncated")]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
