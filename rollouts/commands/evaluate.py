"""`uio2 evaluate`: success on held-out seeds, with intervals, videos and a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pretrain.sources.schema import FIRST_HELD_OUT_SEED
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.output import claim, write_config
from rollouts.pages import report
from rollouts.results import files as results

_LOG_COLUMNS = 120
"""How wide tables are where no terminal says it."""


def main(keys: Mapping[str, Any]) -> int:
    """Evaluate, or go on with an evaluation that was stopped."""
    config = EvaluateConfig.from_keys(keys)
    if config.seed < FIRST_HELD_OUT_SEED:
        print(f"note: seeds below {FIRST_HELD_OUT_SEED} may have been trained on: no held-out evaluation")
    output = claim(config.output)
    return conclude(keys, output, evaluate(config, output))


def conclude(
    keys: Mapping[str, Any], output: Path, result: Mapping[str, Any], dataset: Path | None = None
) -> int:
    """Videos, page, table, and where everything is; status 1 if an episode ended in an error."""
    from rich.console import Console

    from rollouts.pages.film import record

    write_config(output, dict(keys))
    record(output, result, keys["videos"])
    page = report.write_evaluation(output, result)
    console = Console()
    if not console.is_terminal:
        console.width = _LOG_COLUMNS
    console.print(report.table(result))
    for shown in report.benchmark_tables(result):
        console.print(shown)
    for name, place in (
        ("page", page),
        ("videos", output / "videos"),
        ("dataset", dataset),
        ("numbers", output / results.RESULT),
    ):
        if place is not None:
            console.print(f"{name:<8} {place}", highlight=False, soft_wrap=True)
    failed = [row for row in result["episodes"] if row["status"] == "error"]
    if failed:
        console.print(
            f"{len(failed)} episodes ended in an error; the first: {failed[0]['message']}", markup=False
        )
    return 1 if failed else 0
