"""The model directories that ship with the package, by name."""

from pathlib import Path

from uio2_agent.errors import CheckpointError

PACKAGED = Path(__file__).parents[1] / "checkpoints"
CONFIG = "config.json"
"""The file that makes a directory a model's."""


def packaged_checkpoints() -> list[str]:
    """Return the names of the packaged models."""
    return sorted(path.parent.name for path in PACKAGED.glob(f"*/{CONFIG}"))


def checkpoint_directory(name_or_dir: str | Path) -> Path:
    """Return the directory of a packaged model by name, or the directory given."""
    if str(name_or_dir) in packaged_checkpoints():
        return PACKAGED / str(name_or_dir)
    directory = Path(name_or_dir)
    if not directory.is_dir():
        known = ", ".join(packaged_checkpoints()) or "none"
        raise CheckpointError(
            f"no model {str(name_or_dir)!r}: it is neither a directory nor a packaged name ({known})"
        )
    return directory
