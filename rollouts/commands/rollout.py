"""`uio2 rollout`: a short evaluation that keeps its episodes as a dataset; earlier results are replaced."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollouts.commands.evaluate import conclude
from rollouts.errors import RolloutError
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.output import claim
from rollouts.pages.strip import PICTURES
from rollouts.results import files as results


def main(keys: Mapping[str, Any]) -> int:
    """Play, record, and show."""
    config = EvaluateConfig.from_keys(keys)
    output = claim(config.output)
    # A mistyped name must not cost the results of an earlier rollout.
    config.work()
    config.job().load_policy()
    _clear(output)
    result = evaluate(config, output, dataset=output / "dataset")
    return conclude(keys, output, result, dataset=output / "dataset")


def _clear(output: Path) -> None:
    """Remove what an earlier rollout left; refuse a directory that holds anything else's result."""
    if (output / results.RESULT).exists() and not (output / "dataset").is_dir():
        raise RolloutError(
            f"{output} holds an evaluation, not a rollout; name another directory with output=..."
        )
    for name in ("dataset", "videos", PICTURES):
        shutil.rmtree(output / name, ignore_errors=True)
    for name in (results.RESULT, "index.html"):
        (output / name).unlink(missing_ok=True)
