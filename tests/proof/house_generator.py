"""Whether each of many seeds gives a whole house, where everybody gets everywhere, and how long that takes.

A house is generated, here and in another process, loaded, and looked at as tests/envs/house/test_generator.py
does it: furniture in its room and in nothing else, small things on what holds them, the start and much of
every room in one piece of walkable floor. Rows stay in build/proof, where a stopped run goes on.

Usage: python -m tests.proof.house_generator REPORT.md [SEEDS]
"""

import hashlib
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.house.generator import generate_house
from envs.house.schema import House
from envs.house.schema.polygons import contains
from envs.house.simulator import HouseSimulator
from envs.house.tasks.levels import ROOMS
from rollouts.output import claim
from rollouts.versions import git_sha
from tests.envs.house.test_generator import check_places
from tests.proof.tables import ROOT, table, write

SEEDS = 1000
_LEAST_PLACES = 100
"""Places of 5 cm in a room that must be within reach of the start."""


def main(report: str, seeds: str = str(SEEDS)) -> int:
    kept = claim(ROOT / "build" / "proof" / "house_generator") / f"{git_sha()}.jsonl"
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    with multiprocessing.get_context("spawn").Pool(1) as elsewhere, kept.open("a") as file:
        for seed in range(len(rows), int(seeds)):
            rows.append(looked_at(seed, elsewhere))
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
    rows = rows[: int(seeds)]
    failed = [row for row in rows if row["fault"]]
    lines = [_line(name, [row for row in rows if row["size"] == name]) for name in ROOMS]
    lines.append(_line("4 rooms", [row for row in rows if row["rooms"] == 4]))
    lines.append(_line("all", rows))
    write(
        report,
        "The generator of houses",
        f"python -m tests.proof.house_generator {report} {seeds}",
        f"Seeds 0 to {len(rows) - 1}, rooms drawn by weight; ms of processor time on a shared machine.",
        table(
            ["houses", "seeds", "failures", "objects, median", "generating p50", "p95", "loading p50", "p95"],
            lines,
        ),
        *(f"Seed {row['seed']}: {row['fault']}." for row in failed),
    )
    return int(bool(failed))


def looked_at(seed: int, elsewhere: Any) -> dict[str, Any]:
    """Generate a house and look at it; `fault` says what is wrong, or is empty."""
    again = elsewhere.apply_async(_digest_of, (seed,))
    row = {"seed": seed, "size": "", "rooms": 0, "objects": 0, "generating": 0.0, "loading": 0.0, "fault": ""}
    try:
        begin = time.process_time()
        house = generate_house(seed)
        row["generating"] = time.process_time() - begin
        row["rooms"] = len(house.rooms)
        row["size"] = next(name for name, (low, high) in ROOMS.items() if low <= row["rooms"] <= high)
        row["objects"] = sum(1 for _ in house.every_object())
        begin = time.process_time()
        simulator = HouseSimulator.of_house(house)
        row["loading"] = time.process_time() - begin
        _check_reach(house, simulator)
        check_places(house, simulator)
        assert again.get(600) == _digest(house), "another process made other bytes"
    except Exception as error:
        row["fault"] = f"{type(error).__name__}: {error}"
    return row


def _check_reach(house: House, simulator: HouseSimulator) -> None:
    grid = simulator.grid
    start = grid.index((house.start.position[0], house.start.position[2]))
    assert start is not None and grid.components[start] == 0, "the start is apart"
    main = grid.points[grid.components == 0]
    for room in house.rooms:
        assert contains(room.floor, main).sum() > _LEAST_PLACES, f"{room.id} is out of reach"


def _digest(house: House) -> str:
    return hashlib.sha256(json.dumps(house.json).encode()).hexdigest()


def _digest_of(seed: int) -> str:
    return _digest(generate_house(seed))


def _line(name: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
    spent = [
        f"{1e3 * value:.0f}"
        for key in ("generating", "loading")
        for value in np.percentile([row[key] for row in rows] or [np.nan], (50, 95))
    ]
    objects = np.median([row["objects"] for row in rows] or [np.nan])
    return [name, len(rows), sum(1 for row in rows if row["fault"]), f"{objects:.0f}", *spent]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
