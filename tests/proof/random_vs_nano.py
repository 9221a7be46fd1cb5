"""The packaged nano policy beside the random one, on the same 200 held-out seeds of each task.

Usage: python -m tests.proof.random_vs_nano REPORT.md
"""

import sys

from rollouts.results.comparison import compare
from tests.proof.tables import SEEDS, played, rate, table, write

LEARNED = ["visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding"]


def main(report: str) -> int:
    random, nano = (played(policy, policy=policy, task=LEARNED) for policy in ("random", "nano"))
    pairs = {row["task"]: row for row in compare(random, nano)}
    rows = [
        [a["task"], rate(a), rate(b), f"{pairs[a['task']]['p']:.2g}", "yes" if a["high"] < b["low"] else "no"]
        for a, b in zip(random["rows"], nano["rows"], strict=True)
    ]
    head = ["task", "random", "nano", "p (McNemar, paired)", "intervals apart"]
    facts = f"Level placement, {SEEDS} held-out seeds from 5,000,000; Wilson 95 % intervals."
    write(
        report, "Random and nano", f"python -m tests.proof.random_vs_nano {report}", facts, table(head, rows)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
