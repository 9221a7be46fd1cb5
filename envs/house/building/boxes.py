"""Scenes of coloured boxes: JSON with a centre, a full size and a colour each, y up, as habitat-sim's test
scenes are described.

{"up": "+y", "boxes": [{"name": "cube", "center": [x, y, z], "size": [x, y, z], "color": [r, g, b]}]}
"""

from collections.abc import Mapping
from typing import Any

from envs.house.scene import Part, Scene, Surface, Thing
from envs.house.schema.fields import Node

_MAX_BOXES = 5_000
_TYPES = (("floor", "Floor"), ("ceiling", "Ceiling"), ("wall", "Wall"), ("inner", "Wall"), ("lintel", "Wall"))
"""(how a name begins, the type it has); any other is a "Box"."""


def is_boxes(data: Any) -> bool:
    """Return whether JSON looks like a scene of boxes."""
    return isinstance(data, Mapping) and "boxes" in data and "rooms" not in data


def parse_boxes(data: Any, source: str) -> Scene:
    """Return the scene that JSON describes; `source` is what errors call it.

    Raises HouseError, naming `source`, key and remedy, for what is none.
    """
    root = Node(data, "", source)
    if (up := root.get("up")) is not None and up.value not in ("y", "+y"):
        raise up.error("must be +y: turn the boxes until y is up")
    things: dict[str, Thing] = {}
    for node in root["boxes"].items(_MAX_BOXES, least=1):
        name = node["name"].text()
        if name in things:
            raise node["name"].error(f"is {name!r} a second time; names must differ")
        x, y, z = (each.number() for each in node["center"].items(3, least=3))
        wide, high, deep = (each.number(1e-4) for each in node["size"].items(3, least=3))
        colour = tuple(each.number(0, 1) for each in node["color"].items(3, least=3))
        size = (wide, deep, high)
        type = next((type for word, type in _TYPES if name.lower().startswith(word)), "Box")
        things[name] = Thing(
            name, type, (x, -z, y), size, (Part("box", size, surface=Surface((*colour, 1.0))),)
        )
    return Scene(tuple(things.values()), lit=False)
