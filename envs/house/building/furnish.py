"""The objects of a house as things: type, size, pose and look."""

from envs.house.objects.looks import look_of
from envs.house.objects.sizes import AssetSizes
from envs.house.scene import Thing, from_unity, unity_rotation
from envs.house.schema.records import House, HouseObject

_MAX_ASKEW = 1.0
"""Degrees of tilt up to which an object counts as standing."""


def furnish(house: House, sizes: AssetSizes) -> list[Thing]:
    """Return the objects, parents before children."""
    tops: dict[str, tuple[float, float]] = {}  # id → (top, bottom) of what has been placed
    things = []
    for record, parent in house.every_object():
        size = _size(record, parent, sizes, tops)
        kind = sizes.type(record.asset)
        tops[record.id] = (record.position[1] - size[1] / 2, size[1] * kind.surface)
        box = (size[0], size[2], size[1])
        things.append(
            Thing(
                id=record.id,
                type=kind.name,
                position=from_unity(record.position),
                size=box,
                parts=look_of(kind.look, record.asset, box),
                rotation=unity_rotation(record.rotation),
                movable=True,
            )
        )
    return things


def _size(
    record: HouseObject,
    parent: HouseObject | None,
    sizes: AssetSizes,
    tops: dict[str, tuple[float, float]],
) -> tuple[float, float, float]:
    centre = record.position[1]
    upright = all(
        abs((angle + 180) % 360 - 180) <= _MAX_ASKEW for angle in (record.rotation[0], record.rotation[2])
    )
    if not upright:
        return sizes.size(record.asset, centre, None)
    if parent is None:
        return sizes.size(record.asset, centre, 0.0)
    bottom, surface = tops[parent.id]
    return sizes.size(record.asset, centre, bottom + surface)
