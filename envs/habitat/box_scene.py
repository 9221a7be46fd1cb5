"""Scenes made of boxes with plain colours: a folder or file as recordings of habitat-sim come with.

The file (`house.json`) holds `boxes`: `name`, `center` and `size` (x, y up, z; metres) and `color` (0 to 1).
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.house.errors import HouseError
from envs.house.scene import Part, Scene, Surface, Thing

_MOST_BOXES = 20_000
_FARTHEST = 1_000.0
"""Metres from the origin up to which a box may reach."""


@dataclass(frozen=True)
class BoxScene:
    """Boxes along the axes, in Habitat's frame: metres, y up."""

    names: tuple[str, ...]
    center: np.ndarray  # (K, 3)
    size: np.ndarray  # (K, 3)
    color: np.ndarray  # (K, 3), 0 to 1

    @property
    def low(self) -> np.ndarray:
        return self.center - self.size / 2

    @property
    def high(self) -> np.ndarray:
        return self.center + self.size / 2

    def scene(self) -> Scene:
        """Return it in our own frame, z up, without lights."""
        things = []
        shown = np.rint(np.float32(self.color) * 255) / 255  # what is between two shades would be dithered
        for name, (x, y, z), (wide, tall, deep), color in zip(
            self.names, self.center.tolist(), self.size.tolist(), shown.tolist(), strict=True
        ):
            size = wide, deep, tall
            part = Part("box", size, surface=Surface((*color, 1.0)))
            things.append(Thing(name, "Box", (x, -z, y), size, (part,)))
        return Scene(tuple(things), lit=False)


def read_box_scene(path: str | Path) -> BoxScene:
    """Read a file of boxes. Raises HouseError that names file, key and remedy."""
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HouseError(f"{path}: there is no such scene; give a .json file of boxes") from error
    except (OSError, ValueError, RecursionError) as error:
        raise HouseError(f"{path}: not a JSON file of boxes ({error})") from error
    boxes = record.get("boxes") if isinstance(record, dict) else None
    if not isinstance(boxes, list) or not boxes:
        raise HouseError(f"{path}: 'boxes' is missing or empty; it lists name, center, size and color")
    if len(boxes) > _MOST_BOXES:
        raise HouseError(f"{path}: {len(boxes)} boxes are too many, at most {_MOST_BOXES}")
    if record.get("up", "+y") != "+y" or record.get("units", "m") != "m":
        raise HouseError(f"{path}: 'up' must be '+y' and 'units' 'm'; turn the boxes and convert their sizes")
    names = []
    for number, box in enumerate(boxes):
        where = f"{path}: boxes[{number}]"
        if not isinstance(box, dict):
            raise HouseError(f"{where} is no mapping: give name, center, size and color")
        name = box.get("name", f"box {number}")
        if not isinstance(name, str) or not name or name in names:
            raise HouseError(f"{where}.name={name!r}: give each box a name of its own")
        names.append(name)
    center = [
        _three(box, "center", f"{path}: boxes[{k}]", -_FARTHEST, _FARTHEST) for k, box in enumerate(boxes)
    ]
    size = [_three(box, "size", f"{path}: boxes[{k}]", 1e-4, _FARTHEST) for k, box in enumerate(boxes)]
    color = [_three(box, "color", f"{path}: boxes[{k}]", 0.0, 1.0) for k, box in enumerate(boxes)]
    return BoxScene(tuple(names), np.array(center), np.array(size), np.array(color))


def _three(box: dict[str, Any], key: str, where: str, low: float, high: float) -> tuple[float, ...]:
    value = box.get(key)
    fine = (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
        and all(math.isfinite(each) and low <= each <= high for each in value)
    )
    if not fine:
        raise HouseError(f"{where}.{key}={value!r}: give three numbers from {low:g} to {high:g}")
    return tuple(float(each) for each in value)
