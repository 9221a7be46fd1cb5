"""Mixtures that ship: tables, data and what is asked of it (`pretrain.mixture_samples`); loads no torch."""

from pathlib import Path

from pretrain.errors import TrainingError
from uio2_agent.errors import did_you_mean, offered

RECIPES = Path(__file__).parent


def recipe_file(name: str) -> Path:
    """Return the file of a mixture that ships, or one of somebody's; TrainingError where there is none."""
    known = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    path = RECIPES / f"{name}.yaml" if name in known else Path(name).expanduser()
    if not path.is_file():
        raise TrainingError(
            f"mixture={name} is no file and none that ships{did_you_mean(name, known)}: "
            f"use {offered(name, known)}, or a yaml file"
        )
    return path
