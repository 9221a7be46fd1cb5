"""Prompt assets: what stands for the `{placeholders}` of a prompt, and the frozen mappings they are made of.

They travel in `info`, so they are immutable, picklable and comparable, and not a dict: vector environments
would take a dict apart and stack its arrays, although every slot has its own placeholders. This module
refuses to know what a picture shows.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

_PLAIN = (str, int, float, bool)
"""What most values are, and is sooner told than that they are no mapping."""


class FrozenMapping(Mapping):
    """An immutable mapping; arrays in it are read-only, nested mappings frozen as well.

    >>> FrozenMapping({"a": {"b": 1}})["a"]["b"]
    1
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = MappingProxyType({key: _frozen(value) for key, value in items.items()})

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and _equal(self, other)

    __hash__ = None

    def __reduce__(self):
        return type(self), (dict(self._items),)

    def __deepcopy__(self, memo: dict) -> "FrozenMapping":
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self))})"


class PromptAssets(FrozenMapping):
    """Placeholder → what it shows: a mapping with at least `rgb`, pictures uint8 by view, and what else the
    environment knows of them, such as a segmentation and the names of what is seen.
    """


def _frozen(value: Any) -> Any:
    if type(value) in _PLAIN or isinstance(value, FrozenMapping):
        return value
    if isinstance(value, Mapping):
        return FrozenMapping(value)
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value = value.copy()
            value.flags.writeable = False
        return value
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return value


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return first == second
