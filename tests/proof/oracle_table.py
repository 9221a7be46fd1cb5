"""What the scripted expert solves on 200 held-out seeds a task, directly and through the model's action text.

Usage: python -m tests.proof.oracle_table REPORT.md
"""

import sys
from typing import Any

from policies.base import Step
from policies.embodiments.vima import VIMA
from policies.oracle import OraclePolicy
from rollouts.results.comparison import compare
from tests.proof.tables import SEEDS, played, rate, table, write


class ThroughText(OraclePolicy):
    """The expert's action written in the action language and read back: what a perfect model could say."""

    name = "oracle through action text"

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        actions = []
        for step, action in zip(steps, super().act(steps), strict=True):
            text = VIMA.action_text(action, VIMA.state(step.observation, step.info), 0)
            actions.append(VIMA.parse(text)[0].action)
        return actions


def main(report: str) -> int:
    direct = played("oracle", policy="oracle")
    text = played("oracle_text", policy="tests.proof.oracle_table:ThroughText", env_kwargs={"expert": True})
    pairs = {row["task"]: row for row in compare(direct, text)}
    rows = []
    for first, second in zip(direct["rows"], text["rows"], strict=True):
        lost = pairs[first["task"]]["only_first"]
        kept = f"{1 - lost / max(first['successes'], 1):.1%}"
        rows.append([first["task"], rate(first), rate(second), kept])
    head = ["task", "oracle", "oracle → text → action", "kept of what the oracle solves"]
    facts = f"Level placement, {SEEDS} held-out seeds from 5,000,000; Wilson 95 % intervals."
    write(report, "Oracle", f"python -m tests.proof.oracle_table {report}", facts, table(head, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
