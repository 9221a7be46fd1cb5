"""A house file's house as a scene."""

import re

from envs.house.building import structure
from envs.house.building.furnish import furnish
from envs.house.errors import HouseError
from envs.house.objects.sizes import AssetSizes
from envs.house.scene import STILL, Scene, Thing
from envs.house.schema.records import House

_SKIES = {
    "goldenhour": ((0.45, 0.55, 0.75), (0.98, 0.78, 0.55)),
    "bluehour": ((0.16, 0.22, 0.42), (0.45, 0.50, 0.68)),
}
_MIDDAY = ((0.42, 0.62, 0.90), (0.80, 0.89, 0.98))
_OURS = re.compile(rf"world|outside|{STILL}|shadow \d+")
"""What the model calls things of its own."""


def house_scene(house: House, sizes: AssetSizes | None = None) -> Scene:
    """Return everything in a house: floors, ceilings, walls, doors, windows, then objects.

    Doors and what opens are closed here; the simulator opens them as the file says. Raises HouseError for two
    of one id, or for an id that the model needs.
    """
    height = structure.wall_height(house)
    holes = structure.holes_by_wall(house)
    walls = {each.id: each for each in house.walls}
    things: list[Thing] = [structure.floor(room) for room in house.rooms]
    things += [structure.ceiling(room, height, house.ceiling) for room in house.rooms]
    things += [made for each in house.walls if (made := structure.wall(each, holes.get(each.id, ())))]
    for door in house.doors:
        things += structure.door(door, walls[door.walls[0]])
    things += [structure.window(each, walls[each.walls[0]]) for each in house.windows]
    things += furnish(house, sizes or AssetSizes())
    seen: set[str] = set()
    for thing in things:
        if thing.id in seen or _OURS.fullmatch(thing.id):
            taken = "twice in the house" if thing.id in seen else "a name of the simulator's own"
            raise HouseError(f"{house.source}: the id {thing.id!r} is {taken}; give the object another one")
        seen.add(thing.id)
    sky = next((colours for word, colours in _SKIES.items() if word in house.sky.lower()), _MIDDAY)
    return Scene(tuple(things), sky=sky)
