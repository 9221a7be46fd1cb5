"""A house as ProcTHOR's schema 1.0.0 tells it, typed.

Frame: Unity's, left-handed, metres, y up; yaw 0 looks along +z and 90 along +x, clockwise from above, in
degrees. Points of the floor are (x, z). Unusual: `House.json` keeps the whole file, so that fields that
nothing here reads survive reading and writing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Point = tuple[float, float]
"""(x, z) on the floor."""
Vector = tuple[float, float, float]
"""(x, y, z)."""
Colour = tuple[float, float, float]
"""(r, g, b) from 0 to 1."""

EXTERIOR = "exterior"


@dataclass(frozen=True)
class Material:
    """A surface: a material's name, and a colour that tints it or None."""

    name: str
    colour: Colour | None = None


@dataclass(frozen=True)
class Room:
    id: str
    """"room|4"."""
    type: str
    """Bedroom, Bathroom, Kitchen or LivingRoom in ProcTHOR; any word is understood."""
    floor: tuple[Point, ...]
    """An open ring of corners with sides along x and z, clockwise from above."""
    material: Material


@dataclass(frozen=True)
class Wall:
    """One side of a wall: its room lies to the right of the way from `start` to `end`."""

    id: str
    room: str
    """The room's id, or "exterior" or the room's id for a wall seen from outside."""
    start: Point
    end: Point
    height: float
    material: Material
    empty: bool = False
    """True where two rooms open into each other and no wall is built."""

    @property
    def exterior(self) -> bool:
        return self.room == EXTERIOR or self.id.startswith(f"wall|{EXTERIOR}|")

    @property
    def length(self) -> float:
        return ((self.end[0] - self.start[0]) ** 2 + (self.end[1] - self.start[1]) ** 2) ** 0.5


@dataclass(frozen=True)
class _Opening:
    id: str
    asset: str
    rooms: tuple[str, str]
    walls: tuple[str, str]
    """Ids of the two sides. The hole is measured on the first; the second runs the other way."""
    low: Point
    """(along the first wall from its start, height), metres: the hole's lower corner."""
    high: Point


@dataclass(frozen=True)
class Door(_Opening):
    openable: bool = False
    openness: float = 0.0

    @property
    def frame_only(self) -> bool:
        """Whether there is no leaf."""
        return self.asset.lower().startswith("doorframe")

    @property
    def outside(self) -> bool:
        return self.rooms[0] == self.rooms[1]


@dataclass(frozen=True)
class Window(_Opening):
    pass


@dataclass(frozen=True)
class HouseObject:
    id: str
    asset: str
    position: Vector
    """The centre of the bounding box."""
    rotation: Vector = (0.0, 0.0, 0.0)
    """Euler degrees about x, y and z, applied in the order z, x, y as Unity does."""
    kinematic: bool = True
    children: tuple["HouseObject", ...] = ()
    """What stands on it or in it."""
    openness: float | None = None
    on: bool | None = None
    dirty: bool | None = None
    material: Material | None = None


@dataclass(frozen=True)
class Light:
    id: str
    type: str
    """"point" or "directional"."""
    position: Vector
    rotation: Vector
    colour: Colour
    intensity: float
    range: float


@dataclass(frozen=True)
class AgentPose:
    """Where a body stands: `position` (y is the centre of its capsule), yaw and horizon in degrees, the
    horizon positive when looking down.
    """

    position: Vector
    yaw: float = 0.0
    horizon: float = 0.0
    standing: bool | None = True


@dataclass(frozen=True)
class House:
    """A whole house. Two of the same JSON are the same house."""

    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    doors: tuple[Door, ...]
    windows: tuple[Window, ...]
    objects: tuple[HouseObject, ...]
    ceiling: Material
    sky: str
    lights: tuple[Light, ...]
    start: AgentPose | None
    """The recorded start pose, where the file has one."""
    json: Mapping[str, Any] = field(repr=False, compare=False)
    """The file, schema 1.0.0. Not to be changed."""
    source: str = field(default="house", compare=False)
    """What errors call it: a file's path, or a name."""

    def room(self, id: str) -> Room | None:
        return next((room for room in self.rooms if room.id == id), None)

    def every_object(self) -> Iterator[tuple[HouseObject, HouseObject | None]]:
        """Yield each object with what it stands on (None for the floor), parents before children."""
        stack: list[tuple[HouseObject, HouseObject | None]] = [(each, None) for each in self.objects[::-1]]
        while stack:
            found, parent = stack.pop()
            yield found, parent
            stack.extend((child, found) for child in found.children[::-1])
