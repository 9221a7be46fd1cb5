"""`uio2 imagine`: goals that a model draws, beside the real ones, on a page."""

from collections.abc import Mapping
from typing import Any

from rollouts.imagine import RESULT, ImagineConfig, imagine
from rollouts.output import claim, write_config
from rollouts.pages import imagination
from rollouts.pages.console import show


def main(keys: Mapping[str, Any]) -> int:
    """Draw, or go on with what was stopped."""
    config = ImagineConfig(**keys)
    output = claim(config.output)
    result = imagine(config, output)
    write_config(output, dict(keys))
    page = imagination.write(output, result, config.shown)
    show(imagination.console_table(result))
    print(f"page     {page}")
    print(f"numbers  {output / RESULT}")
    return 0
