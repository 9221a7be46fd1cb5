"""Datasets in the formats of others: LeRobot v2.1, Minari, robomimic, RLDS."""

import importlib
from collections.abc import Callable
from pathlib import Path

from rollouts.datasets.stored import StoredSet

_MODULES = {
    name: f"rollouts.datasets.exports.{name}" for name in ("lerobot21", "minari", "robomimic", "rlds")
}


def export(
    stored: StoredSet,
    format: str,
    output: str | Path,
    advance: Callable[[str], object] = str,
    **options: bool,
) -> Path:
    """Write a set in a format into a new folder; returns the folder, or the file in it that others open.
    `options` are the format's own: `video` of lerobot21.

    Raises DatasetError for a damaged set, a package that is missing, and an output that is not empty.
    """
    return importlib.import_module(_MODULES[format]).write(
        stored, Path(output).expanduser(), advance, **options
    )
