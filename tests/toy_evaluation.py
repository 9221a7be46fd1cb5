"""An evaluation of the toy suite, for tests of what is made of one: successes, one that is not solved and, of
the task that crashes, errors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollouts.evaluate import EvaluateConfig, evaluate
from tests.toys import TOY


def evaluated(output: Path, task: str | Sequence[str], dataset: bool = False) -> dict[str, Any]:
    """Play three episodes of each task into `output` and return the result; `dataset`: keep them as a set."""
    config = EvaluateConfig(
        output=str(output),
        env=TOY,
        policy="tests.toys:ScriptedPolicy",
        policy_args={"spoil": 2},
        env_kwargs={"expert": True},
        task=task,
        episodes=3,
    )
    return evaluate(config, output, dataset=output / "dataset" if dataset else None)
