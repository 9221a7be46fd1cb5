"""`uio2 completion`: what a shell needs to complete the command."""

from collections.abc import Mapping
from typing import Any

from rollouts.command_line import COMMANDS
from rollouts.completion import script


def main(keys: Mapping[str, Any]) -> int:
    """Print the script."""
    print(script(keys["shell"], {name: command.summary for name, command in COMMANDS.items()}), end="")
    return 0
