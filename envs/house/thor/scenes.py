"""The scenes that a Controller can ask for by name.

Unusual: the rooms of iTHOR and RoboTHOR are Unity's and not here. Under each of their names stands a
generated house of the same kind (a kitchen for FloorPlan1, a flat for FloorPlan_Train1_1), the same in every
process.
"""

import functools
import zlib

from envs.house.generator import generate_house
from envs.house.schema import House

PROCEDURAL = "Procedural"
"""The empty scene that houses are created in."""
_ROOMS = {1: "kitchen", 201: "living-room", 301: "bedroom", 401: "bathroom"}
_ROBOTHOR = {"Train": 12, "Val": 3}


@functools.cache
def scene_names() -> dict[str, str | None]:
    """Return every scene with the room specification of the house that stands there; None for Procedural."""
    ithor = {
        f"FloorPlan{k}_physics": spec for first, spec in _ROOMS.items() for k in range(first, first + 30)
    }
    robothor = {
        f"FloorPlan_{part}{wall}_{objects}": "kitchen-living-bedroom-room"
        for part, walls in _ROBOTHOR.items()
        for wall in range(1, walls + 1)
        for objects in range(1, 6)
    }
    return {PROCEDURAL: None, **ithor, **robothor}


@functools.lru_cache(maxsize=4)
def scene_house(name: str) -> House:
    """Return the house that stands under a scene's name."""
    return generate_house(zlib.crc32(name.encode()), scene_names()[name])
