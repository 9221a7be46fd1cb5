"""Soft dark patches on the floor under what stands there, so that it does not seem to float."""

import itertools
import math
from collections.abc import Iterator

from envs.house.scene import Part, Scene, Surface, Thing

_SHADE = Surface((0.0, 0.0, 0.0, 0.11))
_LAYERS = ((0.09, 0.0010), (0.01, 0.0020))
"""(metres beyond the box, height above the floor), the widest lowest: where they overlap, it is darker."""
_TOUCHING = 0.04
"""Metres above the floor up to which a thing stands on it."""
_LEAST = 0.12
"""Metres of width below which a thing casts none."""
_THIN = 2e-4
_ROUND = ("lathe", "cylinder", "ellipsoid")
"""Shapes of a thing's first part that tell that it is round from above."""
_SQUARE = 0.03
"""Radians from a quarter turn up to which a patch is laid parallel to the walls."""


def shadows(scene: Scene) -> Iterator[tuple[int, tuple[Part, ...]]]:
    """Yield for floors on which things stand the floor's place in the scene and patches in the world's frame.

    They are those of the scene as it was made; what is moved later leaves its patch behind.
    """
    standing = [thing for thing in scene.things if thing.movable and min(thing.size[:2]) > _LEAST]
    for place, floor in enumerate(scene.things):
        if floor.type == "Floor":
            top = floor.position[2] + floor.size[2] / 2
            parts = [
                part
                for thing in standing
                if abs(thing.low_high[0][2] - top) < _TOUCHING
                for part in _patches(thing, floor, top)
            ]
            if parts:
                yield place, tuple(parts)


def _patches(thing: Thing, floor: Thing, top: float) -> Iterator[Part]:
    yaw = thing.floor_box[4]
    turn = abs((yaw + math.pi / 4) % (math.pi / 2) - math.pi / 4)
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    for (beyond, above), (x, y, half_x, half_y) in itertools.product(_LAYERS, _footprints(thing)):
        wide, deep = half_x + beyond, half_y + beyond
        if min(wide, deep) <= 0:
            continue
        reach = (c * wide + s * deep, s * wide + c * deep)
        for board in floor.parts:
            low, high = [], []
            for axis, at in enumerate((x, y)):
                middle, half = floor.position[axis] + board.position[axis], board.size[axis] / 2
                low.append(max(at - reach[axis], middle - half))
                high.append(min(at + reach[axis], middle + half))
            size = (high[0] - low[0], high[1] - low[1])
            if min(size) <= 0.01:
                continue
            whole = size[0] > 2 * reach[0] - 1e-6 and size[1] > 2 * reach[1] - 1e-6
            if whole:
                shape = "cylinder" if thing.parts[0].shape in _ROUND else "box"
                place, turned = (x, y, top + above), (0.0, 0.0, yaw)
                yield Part(shape, (2 * wide, 2 * deep, _THIN), place, turned, _SHADE)
            elif turn < _SQUARE:
                place = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, top + above)
                yield Part("box", (*size, _THIN), place, surface=_SHADE)


def _footprints(thing: Thing) -> list[tuple[float, float, float, float]]:
    """Return (x, y, half width, half depth) of what a thing takes up of the floor."""
    if not thing.pieces:
        return [thing.floor_box[:4]]
    found = []
    for size, position in thing.pieces:
        x, y, _ = thing.rotation @ position + thing.position
        found.append((x, y, size[0] / 2, size[1] / 2))
    return found
