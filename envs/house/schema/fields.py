"""Reading one value of a house file, typed and bounded; errors name file, key and remedy."""

import math
import re
from collections.abc import Iterator
from typing import Any

from envs.house.errors import HouseError

MAX_COORDINATE = 1000.0
"""Metres; no house is larger."""
_NO_NAME = re.compile("[\0\ud800-\udfff]")
"""What JSON can write and nothing can be called."""


class Node:
    """A value and the path that leads to it, such as `objects[3].position.x`."""

    def __init__(self, value: Any, path: str, source: str) -> None:
        self.value, self.path, self.source = value, path, source

    def error(self, what: str) -> HouseError:
        return HouseError(f"{self.source}: {self.path or 'the file'} {what}")

    def _wrong(self, wanted: str) -> HouseError:
        shown = repr(self.value)
        return self.error(f"must be {wanted}; it is {shown if len(shown) <= 60 else shown[:57] + '...'}")

    def __getitem__(self, key: str) -> "Node":
        """Return the member `key`. Raises HouseError where there is none."""
        node = self.get(key)
        if node is None:
            raise self.error(f"lacks {key!r}")
        return node

    def get(self, key: str) -> "Node | None":
        """Return the member `key`, None where it is absent or null."""
        if not isinstance(self.value, dict):
            raise self._wrong("an object {…}")
        value = self.value.get(key)
        return None if value is None else Node(value, f"{self.path}.{key}" if self.path else key, self.source)

    def items(self, limit: int, least: int = 0) -> Iterator["Node"]:
        """Yield the elements of a list. Raises HouseError for fewer than `least` or more than `limit`."""
        if not isinstance(self.value, list | tuple):
            raise self._wrong("a list [...]")
        if not least <= len(self.value) <= limit:
            raise self.error(f"has {len(self.value)} entries; {least} to {limit} are understood")
        for i, value in enumerate(self.value):
            yield Node(value, f"{self.path}[{i}]", self.source)

    def text(self, limit: int = 200) -> str:
        if not isinstance(self.value, str) or not self.value.strip() or len(self.value) > limit:
            raise self._wrong(f"a text of 1 to {limit} characters")
        if _NO_NAME.search(self.value):
            raise self._wrong("a text without NUL and half characters")
        return self.value

    def number(self, low: float = -MAX_COORDINATE, high: float = MAX_COORDINATE) -> float:
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong("a number")
        if not (low <= value <= high):  # NaN too; integers beyond any float compare exactly
            raise self._wrong(f"a finite number from {low:g} to {high:g}")
        return float(value)

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def vector(self) -> tuple[float, float, float]:
        """Read {x, y, z} in metres."""
        return self["x"].number(), self["y"].number(), self["z"].number()

    def angles(self) -> tuple[float, float, float]:
        """Read Euler degrees {x, y, z}, or an axis and degrees as Unity accepts them for upright turns."""
        if self.get("axis") is not None:
            axis = self["axis"].vector()
            norm = math.hypot(*axis)
            if norm < 1e-6 or abs(abs(axis[1]) / norm - 1) > 1e-6:
                raise self["axis"].error(
                    "must point up or down; write other turns as Euler degrees {x, y, z}"
                )
            return 0.0, math.copysign(self["degrees"].number(-1e6, 1e6), axis[1]), 0.0
        return tuple(self[key].number(-1e6, 1e6) for key in "xyz")  # type: ignore[return-value]

    def colour(self) -> tuple[float, float, float]:
        """Read {r, g, b} from 0 to 1."""
        return tuple(self[key].number(0, 1) for key in "rgb")  # type: ignore[return-value]
