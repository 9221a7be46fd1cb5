"""Room specifications: trees of rooms with their shares of the floor."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from envs.errors import unknown_name
from envs.house.errors import HouseError

ROOM_TYPES = ("Kitchen", "LivingRoom", "Bedroom", "Bathroom")
PRIVATE = ("Bathroom", "Bedroom")
"""Rooms that no way leads through if it can be helped."""


@dataclass(frozen=True)
class RoomSpec:
    """A room, or a group of them."""

    type: str | None
    """None for a group."""
    share: float
    children: tuple["RoomSpec", ...] = ()

    @property
    def rooms(self) -> tuple["RoomSpec", ...]:
        """The rooms in it, in order."""
        if self.type is not None:
            return (self,)
        return tuple(room for child in self.children for room in child.rooms)


def room_spec(rooms: Any) -> RoomSpec:
    """Read a specification: `["Kitchen", 3]` is a room and its share, a list of such is a group.

    >>> [room.type for room in room_spec([["Kitchen", 3], ["LivingRoom", 4]]).rooms]
    ['Kitchen', 'LivingRoom']
    """
    if not isinstance(rooms, list | tuple) or not rooms:
        raise HouseError(f"a room specification is [type, share] or a list of such; got {rooms!r}")
    if isinstance(rooms[0], str):
        if len(rooms) != 2 or isinstance(rooms[1], bool) or not isinstance(rooms[1], int | float):
            raise HouseError(f"a room is [type, share]; got {rooms!r}")
        if rooms[0] not in ROOM_TYPES:
            raise HouseError(str(unknown_name("room type", rooms[0], ROOM_TYPES)))
        if not 0 < rooms[1] <= 100:
            raise HouseError(f"a room's share is above 0 and at most 100; got {rooms!r}")
        return RoomSpec(rooms[0], float(rooms[1]))
    children = tuple(room_spec(each) for each in rooms)
    group = RoomSpec(None, sum(child.share for child in children), children)
    if len(group.rooms) > 20:
        raise HouseError(f"a house of {len(group.rooms)} rooms: at most 20")
    return group


@functools.cache
def known_specs() -> Mapping[str, tuple[float, RoomSpec]]:
    """Return the built-in specifications: id → (weight, rooms)."""
    table = yaml.safe_load(resources.files(__package__).joinpath("specs.yaml").read_text("utf-8"))
    return {name: (float(row["weight"]), room_spec(row["rooms"])) for name, row in table.items()}
