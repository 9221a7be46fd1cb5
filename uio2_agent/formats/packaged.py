"""The model directories that ship with the package, by name."""

from pathlib import Path

from uio2_agent.errors import CheckpointError, did_you_mean

PACKAGED = Path(__file__).parents[1] / "checkpoints"
CONFIG = "config.json"
"""The file that makes a directory a model's."""


def packaged_checkpoints() -> list[str]:
    """Return the names of the packaged models."""
    return sorted(path.parent.name for path in PACKAGED.glob(f"*/{CONFIG}"))


def checkpoint_directory(name_or_dir: str | Path) -> Path:
    """Return the directory of a packaged model by name, or the directory given, if a model is in it."""
    if str(name_or_dir) in packaged_checkpoints():
        return PACKAGED / str(name_or_dir)
    directory = Path(name_or_dir)
    if not directory.is_dir():
        known = packaged_checkpoints()
        raise CheckpointError(
            f"no model {str(name_or_dir)!r}{did_you_mean(str(name_or_dir), known)}: it is neither a "
            f"directory nor a packaged name ({', '.join(known) or 'none'})"
        )
    config_file(directory)
    return directory


def config_file(directory: Path) -> Path:
    """Return where a model directory's configuration is; CheckpointError if there is none."""
    path = directory / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: a model directory holds {CONFIG} and its weights")
    return path
