"""Where a command leaves its results: the directory is claimed before the work begins, files appear whole or
not at all.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from rollouts.errors import RolloutError
from uio2_agent.files import replace_file


def claim(path: str | Path, key: str = "output") -> Path:
    """Make the directory that a key names and prove that it can be written to; RolloutError in one line if
    not.
    """
    if not str(path):
        raise RolloutError(f"{key}= is empty: name a directory, . for this one")
    directory = Path(path).expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise RolloutError(
            f"cannot write to {directory}: {error.strerror}; name another directory with {key}=..."
        ) from error
    return directory


def write_json(path: Path, value: Any) -> None:
    """Replace a file by JSON."""
    replace_file(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_config(directory: Path, config: dict[str, Any]) -> None:
    """Leave the resolved configuration beside the results."""
    replace_file(directory / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
