"""Packages that only some commands need: imported then, or one line that says how to get them."""

import importlib
from types import ModuleType

from pretrain.sources.schema import DatasetError


def extra(module: str, name: str, wanted_for: str) -> ModuleType:
    """Import a module of an extra; DatasetError with the line to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DatasetError(
            f"{wanted_for} needs {module} ({error}): pip install 'uio2-agent[{name}]'"
        ) from error
