"""What can be seen, touched and measured: things made of parts, in one frame, whatever file they came from.

Frame: right-handed, metres, z up. A house's (Unity's) x, z, y are x, y, z here, so nothing is mirrored; what
Unity turns clockwise from above by `yaw` turns here by -yaw about z.

This module refuses to know house files, MuJoCo and bodies.
"""

import math
from dataclasses import dataclass, field

import numpy as np

Vector = tuple[float, float, float]
STILL = "the house"
"""The body of all that cannot move; the last one, because what stands before it hides it cheaply."""


@dataclass(frozen=True)
class Surface:
    """How a part looks: a colour (r, g, b, a) from 0 to 1, tinting a texture where there is one."""

    colour: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    texture: str | None = None
    """A key of `textures.texture`."""
    metres: float = 1.0
    """Length that one repeat of the texture covers."""
    emission: float = 0.0
    shine: float = 0.0
    off: tuple[float, float, float, float] | None = None
    """Of what lights up: its colour when it is switched off, without texture and emission. None for what
    always looks the same."""


@dataclass(frozen=True)
class Hinge:
    """How a part moves when its thing opens, in the thing's frame."""

    point: Vector
    axis: int
    """It turns about x (0), y (1) or z (2) through the point."""
    angle: float
    """Radians from closed to wide open, counter-clockwise about the axis."""
    rest: float = 0.0
    """The openness, from 0 to 1, at which the part is as its position and rotation say."""


@dataclass(frozen=True)
class Part:
    """A primitive in its thing's frame."""

    shape: str
    """"box", "cylinder" (axis z), "ellipsoid", "cushion" (a box with round edges), "pillow" (a square
    one that thins towards its edges) or "lathe"."""
    size: Vector
    """Full extents along x, y, z, metres."""
    position: Vector = (0.0, 0.0, 0.0)
    """Its centre."""
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Radians about x, then y, then z."""
    surface: Surface = field(default_factory=Surface)
    profile: tuple[tuple[float, float], ...] = ()
    """Of a lathe: (radius as a share of the half width, height as a share of the height) from below up."""
    hinge: Hinge | None = None
    """How it moves when the thing opens; None for what stays."""


@dataclass(frozen=True)
class Thing:
    """Something with an identity: a wall, a room's floor, a door, a mug. Frozen; where it is now, the
    simulator knows.
    """

    id: str
    type: str
    position: Vector
    """Centre of the box."""
    size: Vector
    """The box around it in its own frame, full extents."""
    parts: tuple[Part, ...]
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3), compare=False)  # (3, 3)
    solid: bool = True
    """Whether bodies and other things are stopped by its box."""
    movable: bool = False
    """Whether its pose can change."""
    pieces: tuple[tuple[Vector, Vector], ...] = ()
    """Of a movable thing: the boxes (size, position in its frame) that it takes up, where that is less than
    its box; () where it is its box."""
    hollow: bool = False
    """Whether its box reaches around what stands on it or in it, as a bed's does: sight goes by its parts."""

    @property
    def floor_box(self) -> tuple[float, float, float, float, float]:
        """(x, y, half width, half depth, yaw) of the box from above; a tilted box counts with its shadow."""
        if abs(self.rotation[2, 2]) > 0.999:
            yaw = math.atan2(self.rotation[1, 0], self.rotation[0, 0])
            return self.position[0], self.position[1], self.size[0] / 2, self.size[1] / 2, yaw
        half = np.abs(self.rotation) @ (np.array(self.size) / 2)
        return self.position[0], self.position[1], half[0], half[1], 0.0

    @property
    def low_high(self) -> tuple[np.ndarray, np.ndarray]:
        """The axis-aligned box around it: two corners (3,)."""
        half = np.abs(self.rotation) @ (np.array(self.size) / 2)
        return np.array(self.position) - half, np.array(self.position) + half


@dataclass(frozen=True)
class Scene:
    """Everything there is. Ids are unique; their order is that of the file."""

    things: tuple[Thing, ...]
    sky: tuple[tuple[float, float, float], tuple[float, float, float]] = (
        (0.55, 0.70, 0.90),
        (0.85, 0.92, 1.0),
    )
    """Colours of the sky at the zenith and at the horizon."""
    lit: bool = True
    """False: flat colours without lights, as a scan's textures are shown."""

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for thing in self.things:
            if thing.id in seen:
                raise ValueError(f"two things have the id {thing.id!r}")
            seen.add(thing.id)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Two corners (3,) of the box around everything; around the origin where there is nothing."""
        if not self.things:
            return np.zeros(3), np.zeros(3)
        corners = [thing.low_high for thing in self.things]
        return np.min([low for low, _ in corners], axis=0), np.max([high for _, high in corners], axis=0)


def rotation_about(axis: int, angle: float) -> np.ndarray:
    """Return the matrix (3, 3) of a turn by `angle` radians about x (0), y (1) or z (2)."""
    c, s = math.cos(angle), math.sin(angle)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def unity_rotation(degrees: Vector) -> np.ndarray:
    """Return Unity's Euler degrees (applied about z, then x, then y) as a matrix (3, 3) in this frame.

    >>> unity_rotation((0, 90, 0)) @ [0, 1, 0]  # a quarter clockwise: the front turns from +y to +x
    array([1., 0., 0.])
    """
    x, y, z = (math.radians(value) for value in degrees)
    turn = rotation_about(1, y) @ rotation_about(0, x) @ rotation_about(2, z)
    return np.round(turn[[0, 2, 1]][:, [0, 2, 1]], 12) + 0.0


def from_unity(position: Vector) -> Vector:
    """Return a position in this frame. The same function leads back."""
    x, y, z = position
    return x, z, y
