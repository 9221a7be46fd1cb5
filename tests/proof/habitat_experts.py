"""What Habitat's experts solve in held-out houses of ours, and whether both simulators answer as recorded.

Usage: python -m tests.proof.habitat_experts REPORT.md [FOLDER OF RECORDINGS]
"""

import sys
from pathlib import Path
from typing import Any

from tests.habitat_parity.backends import opener
from tests.habitat_parity.recorded import cases
from tests.proof.tables import played, rate, table, together, write

RECORDINGS = Path(__file__).parents[3] / "shared" / "fixtures" / "habitat_sim"
EPISODES = 100
"""Of each task and level."""


def main(report: str, folder: str | Path = RECORDINGS) -> int:
    result = played(
        "habitat_experts",
        EPISODES,
        env="habitat",
        policy="oracle",
        level="all",
        env_kwargs={"size": 32, "sensors": []},
    )
    rows = []
    for task in dict.fromkeys(row["task"] for row in result["rows"]):
        mine = [row for row in result["rows"] if row["task"] == task]
        rows += [_line(row["level"], row) for row in mine]
        rows.append(_line("all", together(mine)))
    head = ["task", "houses", "solved", "mean SPL", "mean soft SPL"]
    parts = [
        f"{EPISODES} held-out seeds from 5,000,000 of each task and size of house; Wilson 95 % intervals.",
        table(head, rows),
    ]
    if Path(folder).is_dir():
        parts += [
            "Against outputs recorded from habitat-sim:",
            table(["backend", "measures", "off"], _parity(Path(folder))),
        ]
    write(report, "Habitat", f"python -m tests.proof.habitat_experts {report}", *parts)
    return 0


def _line(level: str, row: dict[str, Any]) -> list[Any]:
    metrics = row["metrics"]
    return [row["task"], level, rate(row), f"{metrics['spl']:.3f}", f"{metrics['soft_spl']:.3f}"]


def _parity(folder: Path) -> list[list[Any]]:
    found = []
    for backend in ("house", "double"):
        verdicts = [row.verdict for case in cases(folder) for row in case.compare(opener(backend))]
        found.append([backend, len(verdicts), len(verdicts) - verdicts.count("ok")])
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
