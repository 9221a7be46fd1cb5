"""`uio2 improve`: rounds of collecting with a policy, training, and keeping what is better."""

from collections.abc import Mapping
from typing import Any

from rollouts.improve import improve
from rollouts.improving.record import RECORD
from rollouts.improving.settings import ImproveConfig
from rollouts.output import claim, write_config
from rollouts.pages import improvement
from rollouts.pages.console import show


def main(keys: Mapping[str, Any]) -> int:
    """Improve, or go on with a loop that was stopped."""
    config = ImproveConfig(**keys)
    output = claim(config.output)
    result = improve(config, output, lambda record: improvement.write(output, record))
    write_config(output, dict(keys))
    show(*improvement.console_tables(result))
    print(f"model    {improvement.best_place(output, result)}")
    print(f"page     {output / 'index.html'}")
    print(f"record   {output / RECORD}")
    return 0
