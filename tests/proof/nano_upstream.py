"""The packaged nano on our tabletop and on the original PyBullet benchmark, the same seeds.

Usage: python -m tests.proof.nano_upstream REPORT.md, where `vima_bench` is installed (docs/vima_upstream.md).
Two hours of a core.
"""

import sys

from rollouts.results.comparison import compare
from tests.proof.tables import played, rate, table, together, write

EPISODES = 100


def main(report: str) -> int:
    asked = {"policy": "nano", "task": "all", "level": "placement"}
    ours = played("nano_placement", EPISODES, **asked)
    theirs = played("nano_upstream", EPISODES, **asked, env_kwargs={"backend": "upstream"})
    pairs = compare(ours, theirs)
    results = [[*result["rows"], together(result["rows"]) | {"task": "all"}] for result in (ours, theirs)]
    rows = [
        [a["task"], rate(a), rate(b), pair["only_first"], pair["only_second"], f"{pair['p']:.2g}"]
        for a, b, pair in zip(*results, pairs, strict=True)
    ]
    head = ["task", "our tabletop", "original", "only ours", "only original", "p (McNemar, paired)"]
    facts = f"Level placement, {EPISODES} held-out seeds from 5,000,000; Wilson 95 % intervals."
    command = f"python -m tests.proof.nano_upstream {report}"
    write(report, "The packaged nano on the original benchmark", command, facts, table(head, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
