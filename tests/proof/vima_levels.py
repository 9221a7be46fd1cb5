"""Every task at every level: what the expert solves on 200 held-out seeds, recorded upstream actions
replayed, and where things come to rest.

Usage: python -m tests.proof.vima_levels REPORT.md [FOLDER OF RECORDINGS]
"""

import sys
from pathlib import Path

from tests import vima_rest
from tests.proof.tables import SEEDS, played, rate, table, write
from tests.vima_replay import HEAD, Outcome, lines, replay_all
from tests.vima_seeds import read_episodes

RECORDINGS = Path(__file__).parents[3] / "shared" / "fixtures" / "vima"


def main(report: str, folder: str | Path = RECORDINGS) -> int:
    result = played("oracle_levels", policy="oracle", level="all")
    oracle = [[row["task"], row["level"], rate(row)] for row in result["rows"]]
    parts = [
        f"Expert, agent rules, {SEEDS} held-out seeds from 5,000,000 of each task and level; Wilson 95 %.",
        table(["task", "level", "solved"], oracle),
    ]
    recordings = sorted(Path(folder).glob("L?.jsonl"))
    if recordings:
        outcomes = replay_all(read_episodes(recordings))
        total = Outcome()
        for outcome in outcomes.values():
            total.add(outcome)
        parts += [
            "Recorded upstream oracle actions from the recorded objects; distances to where these rested.",
            table(HEAD, [*lines(outcomes), *lines({("all", ""): total})]),
            *(f"Ends differently: {text}." for text in total.differ),
            "Where things come to rest there and here (suction): median / 90th percentile / most.",
            table(vima_rest.HEAD, vima_rest.lines(vima_rest.measure(read_episodes(recordings)))),
        ]
    else:
        parts.append(f"No recordings in {folder}: nothing was replayed.")
    write(report, "VIMA: all tasks, all levels", f"python -m tests.proof.vima_levels {report}", *parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
