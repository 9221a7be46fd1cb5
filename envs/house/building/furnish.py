"""The objects of a house as things: type, size, pose and look."""

from envs.house.building.fitting import fitted, room_at
from envs.house.objects.looks import look_of, pieces_of
from envs.house.objects.sizes import AssetSizes
from envs.house.scene import Thing, Vector, from_unity, unity_rotation
from envs.house.schema.records import House, HouseObject

_MAX_ASKEW = 1.0
"""Degrees of tilt up to which an object counts as standing."""


_FLOOR = 0.12
"""Metres between the floor and the bottom of what counts as standing on it, of usual height."""


def furnish(house: House, sizes: AssetSizes) -> list[Thing]:
    """Return the objects, parents before children."""
    tops: dict[str, tuple[float, float]] = {}  # id → (bottom, height of its top) of what has been placed
    things = []
    for record, parent in house.every_object():
        kind = sizes.type(record.asset)
        box = _box(record, parent, house, sizes, tops)
        tops[record.id] = (record.position[1] - box[2] / 2, box[2] * kind.surface)
        things.append(
            Thing(
                id=record.id,
                type=kind.name,
                position=from_unity(record.position),
                size=box,
                parts=look_of(kind.look, record.asset, box),
                rotation=unity_rotation(record.rotation),
                movable=True,
                pieces=pieces_of(kind.look, record.asset, box),
                hollow=kind.hollow,
            )
        )
    return things


def _box(
    record: HouseObject,
    parent: HouseObject | None,
    house: House,
    sizes: AssetSizes,
    tops: dict[str, tuple[float, float]],
) -> Vector:
    """Return a thing's width, depth and height."""
    centre = record.position[1]
    upright = all(
        abs((angle + 180) % 360 - 180) <= _MAX_ASKEW for angle in (record.rotation[0], record.rotation[2])
    )
    if not upright:
        width, height, depth = sizes.size(record.asset, centre, None)
        return width, depth, height
    bottom = 0.0 if parent is None else sum(tops[parent.id])
    width, height, depth = sizes.size(record.asset, centre, bottom)
    room = room_at(house.rooms, (record.position[0], record.position[2])) if parent is None else None
    if room is None:
        return width, depth, height
    hanging = centre - height / 2 > _FLOOR
    known = sizes.box(record.asset) is not None
    return fitted((width, depth, height), record, room, hanging, known)
