"""`uio2 evaluate`: success on held-out seeds, with intervals, videos and a page."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pretrain.sources.schema import FIRST_HELD_OUT_SEED
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.output import claim, write_config
from rollouts.pages import report
from rollouts.pages.console import error_lines, show
from rollouts.pages.film import choose, record
from rollouts.results import files as results
from rollouts.results.benchmark_tables import holds_whole_level


def main(keys: Mapping[str, Any]) -> int:
    """Evaluate, or go on with an evaluation that was stopped."""
    config = EvaluateConfig.from_keys(keys)
    if config.seed < FIRST_HELD_OUT_SEED:
        note = f"note: seeds below {FIRST_HELD_OUT_SEED} may have been trained on: no held-out evaluation"
        print(note, file=sys.stderr)
    output = claim(config.output)
    return conclude(keys, output, evaluate(config, output))


def conclude(
    keys: Mapping[str, Any], output: Path, result: Mapping[str, Any], dataset: Path | None = None
) -> int:
    """Table, errors, where everything is, and then the films; status 1 if an episode ended in an error.

    The page is there before the films, and shows those there are when they are interrupted.
    """
    write_config(output, dict(keys))
    page = report.write_evaluation(output, result)
    show(report.table(result))
    failed = [row for row in result["episodes"] if row["status"] == "error"]
    print(*error_lines(failed), sep="\n", end="\n" if failed else "")
    if holds_whole_level(result["benchmark"]):
        show(*report.benchmark_tables(result))
    kept = dataset if len(failed) < len(result["episodes"]) else None
    for name, place in (("page", page), ("dataset", kept), ("numbers", output / results.RESULT)):
        if place is not None:
            print(f"{name:<8} {place}")
    sys.stdout.flush()
    try:
        films = record(output, result["config"], choose(result["episodes"], keys["videos"]))
    finally:
        report.write_evaluation(output, result)
    if films:
        print(f"videos   {output / 'videos'}")
    return 1 if failed else 0
