"""The packaged nano on the whole of VIMA-Bench: every task at every level, beside published rows.

Usage: python -m tests.proof.nano_levels REPORT.md [POLICY] [EPISODES]
"""

import sys

from rollouts.results.benchmark_tables import panels
from tests.proof.tables import played, table, write

EPISODES = 100
"""Of each task and level."""


def main(report: str, policy: str = "nano", episodes: str = str(EPISODES)) -> int:
    result = played("nano_levels", int(episodes), policy=policy, level="all", workers=2)
    parts = []
    for title, (head, lines), notes in panels(result["benchmark"], result["rows"]):
        parts += [f"## {title}", table(head, lines), *notes]
    command = f"python -m tests.proof.nano_levels {report}"
    write(report, "nano at all levels of VIMA-Bench", command, *parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
