"""Seconds that the pictures of an episode's steps cost, and its film, played again, drawn and written:
`python -m benchmarks.films`.

The expert plays every task once before the clock runs, so that nothing is loaded in it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pretrain.sources.lerobot import LeRobotSource
from rollouts.commands.evaluate import EvaluateConfig, evaluate
from rollouts.commands.inspect import inspect_dataset
from rollouts.pages.film import record

FOUR = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=FOUR)
    parser.add_argument("--episodes", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for task in asked.tasks:
            output = Path(folder) / task
            output.mkdir()
            config = EvaluateConfig(
                output=str(output), policy="oracle", task=task, level="train", episodes=asked.episodes
            )
            result = evaluate(config, output, dataset=output / "dataset")
            warm, *rows = result["episodes"]
            record(output, result["config"], [warm])
            (output / "page").mkdir()
            inspect_dataset(output / "dataset", output / "page", 1)
            count = len(LeRobotSource(output / "dataset"))
            told = _timed(partial(inspect_dataset, output / "dataset", output / "page", count), count)
            print(f"{task:<26} pictures of stored steps: {told}", flush=True)
            told = _timed(partial(record, output, result["config"], rows), len(rows))
            films = list((output / "videos").glob("*.mp4"))
            steps = sum(row["steps"] for row in rows) / len(rows)
            size = sum(film.stat().st_size for film in films) / len(films) / 1e3
            print(f"{task:<26} films: {told}, {size:.0f} kB, {steps:.1f} steps", flush=True)


def _timed(work: Callable[[], Any], count: int) -> str:
    """Do it; return how long it took for each of so many episodes."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    return f"{wall / count:.2f} s an episode, {busy / count:.3f} s of processor time"


if __name__ == "__main__":
    main()
