"""Defaults of settings stand in one place: the YAML file of a command, where their meaning stands too."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import field
from pathlib import Path

import yaml

MISSING = "???"
"""A value that must be given."""


def defaults_from(path: Path) -> Callable[[type], type]:
    """Decorate a class, below `@dataclass`: a field without a default takes that of the key of its name.

    Fields that the file does not know keep theirs; a field that has its own beside the file's is an error.
    """
    values = yaml.safe_load(path.read_text(encoding="utf-8"))

    def fill(cls: type) -> type:
        for name in cls.__annotations__:
            if name not in values or values[name] == MISSING:
                continue
            if name in vars(cls):
                raise TypeError(f"{cls.__name__}.{name} has a default here and one in {path.name}: keep one")
            setattr(cls, name, _field(values[name]))
        return cls

    return fill


def _field(value: object) -> object:
    return field(default_factory=lambda: deepcopy(value)) if isinstance(value, dict | list) else value
