"""Which house an episode plays in: one of ours by seed, or one of somebody's files."""

import functools
from pathlib import Path

import numpy as np

from envs.errors import EnvError
from envs.house.errors import HouseError
from envs.house.generator import generate_house, known_specs
from envs.house.schema import House, read_house, read_houses
from envs.house.tasks.levels import ROOMS


@functools.cache
def _specs(level: str | None) -> tuple[tuple[str, ...], tuple[float, ...]]:
    low, high = ROOMS[level] if level else (1, 20)
    specs = known_specs().items()
    chosen = {name: weight for name, (weight, rooms) in specs if low <= len(rooms.rooms) <= high}
    total = sum(chosen.values())
    return tuple(chosen), tuple(weight / total for weight in chosen.values())


@functools.lru_cache(maxsize=4)
def generated(seed: int, level: str | None) -> House:
    """Return the house of an episode's seed at a level."""
    names, weights = _specs(level)
    rng = np.random.default_rng([0x45504953, seed])
    return generate_house(seed, names[int(rng.choice(len(names), p=weights))])


@functools.lru_cache(maxsize=4)
def from_files(path: str) -> tuple[House, ...]:
    """Return the houses of a file, or of a folder's files .json and .jsonl, either with .gz, by name.

    Raises HouseError where there is none.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(each for each in place.iterdir() if {".json", ".jsonl"} & set(each.suffixes))
    elif place.exists():
        files = [place]
    else:
        raise HouseError(f"houses={path}: there is no such file or folder")
    houses = tuple(
        house
        for file in files
        for house in (read_houses(file) if ".jsonl" in file.suffixes else [read_house(file)])
    )
    if not houses:
        raise HouseError(f"houses={path}: no house files (.json, .jsonl, or either with .gz)")
    return houses


def chosen(path: str, seed: int, level: str | None) -> House:
    """Return the house of an episode among those of a path, at a level."""
    low, high = ROOMS[level] if level else (1, 10**6)
    houses = [house for house in from_files(path) if low <= len(house.rooms) <= high]
    if not houses:
        raise EnvError(
            f"houses={path}: none has {low} to {high} rooms, as level={level} wants; leave level out"
        )
    return houses[seed % len(houses)]
