"""Seconds that the film of an episode costs, played again, drawn and written: `python -m benchmarks.films`.

The expert plays every task once before the clock runs, so that nothing is loaded in it.
"""

import argparse
import tempfile
import time
from pathlib import Path

from rollouts.commands.evaluate import EvaluateConfig, evaluate
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
            result = evaluate(config, output)
            warm, *rows = result["episodes"]
            record(output, result | {"episodes": [warm]}, 1)
            wall, busy = time.perf_counter(), time.process_time()
            films = record(output, result | {"episodes": rows}, asked.episodes)
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            steps = sum(row["steps"] for row in rows) / len(rows)
            size = sum(film.stat().st_size for film in films) / len(films) / 1e3
            seconds = f"{wall / len(films):.2f} s a film, {busy / len(films):.2f} s of processor time"
            print(f"{task:<26} {seconds}, {size:.0f} kB, {steps:.1f} steps", flush=True)


if __name__ == "__main__":
    main()
