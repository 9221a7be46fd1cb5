"""Prompt assets: the pictures that stand for the `{placeholders}` of a prompt (spec section 7).

They travel in `info`, so they are immutable, picklable and comparable, and not a dict: vector environments
would take a dict apart and stack its arrays, although every slot has its own placeholders.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np


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
    """`{name: {"rgb": {view: u8 (3, H, W)}, "segm": {view: u8 (H, W), "obj_info": …}, "placeholder_type":
    …}}`.
    """


def object_asset(rgb: Mapping, segm: Mapping, name: str, texture: str) -> dict[str, Any]:
    """Describe a single object alone on white; it is id 0 there."""
    info = {"obj_id": 0, "obj_name": name, "obj_color": texture}
    return {"rgb": rgb, "segm": {**segm, "obj_info": info}, "placeholder_type": "object"}


def scene_asset(rgb: Mapping, segm: Mapping, objects: list[tuple[str, str]]) -> dict[str, Any]:
    """Describe a scene picture of (name, texture) objects; their ids count from 2."""
    info = [
        {"obj_id": 2 + i, "obj_name": name, "obj_color": texture} for i, (name, texture) in enumerate(objects)
    ]
    return {"rgb": rgb, "segm": {**segm, "obj_info": info}, "placeholder_type": "scene"}


def _frozen(value: Any) -> Any:
    if isinstance(value, FrozenMapping):
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
