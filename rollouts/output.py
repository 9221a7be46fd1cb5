"""Where a command leaves its results: the directory is claimed before the work begins, files appear whole or
not at all.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from rollouts.errors import RolloutError


def claim(path: str | Path) -> Path:
    """Make the directory and prove that it can be written to; RolloutError in one line if not."""
    directory = Path(path).expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise RolloutError(
            f"cannot write to {directory}: {error.strerror}; name another directory with output=..."
        ) from error
    return directory


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader, or a run killed now, finds the old or the new content, never a part."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_config(directory: Path, config: dict[str, Any]) -> None:
    """Leave the resolved configuration beside the results."""
    write_text(directory / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
