"""Object types: their size, what can be done to them, and which one an asset's name means.

Unusual: an asset id such as "Dresser_224_1" is read as words, because the asset database of AI2-THOR is not
ours to ship; whoever has it hands its boxes in (`sizes.py`). The table is `types.yaml`.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import yaml

UNKNOWN = "Undefined"


@dataclass(frozen=True)
class ObjectType:
    """One kind of thing."""

    name: str
    size: tuple[float, float, float]
    """Width (x), height (y) and depth (z) in metres; the front looks along +z."""
    moves: str
    """"carried", "pushed" or "fixed"."""
    look: str
    can: frozenset[str] = frozenset()
    """Of open, toggle, break, slice, dirty, fill, cook, use_up."""
    holds: frozenset[str] = frozenset()
    """Of "top" and "inside": where it takes other things."""
    surface: float = 1.0
    """Height of what it holds things on, as a share of its height."""

    @property
    def hollow(self) -> bool:
        """Whether what it holds is inside its box and can always be seen: the box hides it only where it can
        be shut.
        """
        return "open" not in self.can and ("inside" in self.holds or (bool(self.holds) and self.surface < 1))


_CUBE = ObjectType(UNKNOWN, (0.3, 0.3, 0.3), "pushed", "block")


@functools.cache
def object_types() -> Mapping[str, ObjectType]:
    """Return every type by name, in alphabetical order."""
    table = yaml.safe_load(resources.files(__package__).joinpath("types.yaml").read_text("utf-8"))
    return {
        name: ObjectType(
            name=name,
            size=tuple(row["size"]),
            moves=row["moves"],
            look=row["look"],
            can=frozenset(row.get("can", ())),
            holds=frozenset(row.get("holds", ())),
            surface=row.get("surface", 1.0),
        )
        for name, row in table.items()
    }


@functools.cache
def _words() -> tuple[tuple[str, str], ...]:
    """(letters, type), the longest first."""
    table = yaml.safe_load(resources.files(__package__).joinpath("types.yaml").read_text("utf-8"))
    pairs = [(name.lower(), name) for name in table]
    pairs += [(word, name) for name, row in table.items() for word in row.get("words", ())]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


@functools.lru_cache(maxsize=4096)
def type_of(asset: str) -> ObjectType:
    """Return the type that an asset's name tells; a 30 cm cube, `UNKNOWN`, where it tells none.

    >>> type_of("RoboTHOR_remote_coolux_v").name, type_of("Houseplant_20").name
    ('RemoteControl', 'HousePlant')
    """
    letters = re.sub("[^a-z]", "", asset.lower().removeprefix("robothor_"))
    known = object_types()
    for word, name in _words():
        if letters.startswith(word):
            return known[name]
    for word, name in _words():
        if word in letters:
            return known[name]
    return _CUBE
