"""Which house an episode plays in: one of ours by seed, or one of somebody's files."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from envs.base import FIRST_HELD_OUT_SEED
from envs.errors import EnvError, unknown_name
from envs.house.errors import HouseError
from envs.house.generator import generate_house, known_specs
from envs.house.schema import House, read_house
from envs.house.schema.lines import HouseLines
from envs.house.tasks import procthor_10k
from envs.house.tasks.levels import ROOMS

SPLITS = ("train", "val", "test")
NAMED = f"{procthor_10k.NAME}, alone or with :{', :'.join(SPLITS)}"


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


class HouseFile:
    """The house of a .json or .json.gz file, as one of many."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rooms: int | None = None

    def __len__(self) -> int:
        return 1

    def rooms(self, index: int) -> int:
        """Return how many rooms it has."""
        if self._rooms is None:
            self._rooms = len(self.house(index).rooms)
        return self._rooms

    def house(self, index: int) -> House:
        """Read it."""
        return read_house(self.path)


class Houses:
    """The houses of some files, one after the other; a house is read when it is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._sets = [HouseLines(file) if ".jsonl" in file.suffixes else HouseFile(file) for file in files]
        self._places = [(held, index) for held in self._sets for index in range(len(held))]
        self._at_level: dict[str | None, np.ndarray] = {None: np.arange(len(self))}

    def __len__(self) -> int:
        return len(self._places)

    def house(self, place: int) -> House:
        """Read the house of a place."""
        held, index = self._places[place]
        return held.house(index)

    def at_level(self, level: str | None) -> np.ndarray:
        """Return the places of the houses of a level."""
        if level not in self._at_level:
            low, high = ROOMS[level]
            rooms = np.array([held.rooms(index) for held, index in self._places])
            self._at_level[level] = np.flatnonzero((low <= rooms) & (rooms <= high))
        return self._at_level[level]


def chosen(path: str, seed: int, level: str | None, attempt: int = 0) -> House:
    """Return the house of an episode among those of `houses=path`, at a level.

    Of the n houses of that level it is the one at place (seed + attempt) mod n. Where there are splits, in
    ProcTHOR-10K and in a folder with train and val or test, held-out seeds play val and then test, and others
    train, unless a split is named.

    Raises HouseError where there is no house or a file is none, EnvError for a level that none has.
    """
    files = files_of(path, held_out=seed >= FIRST_HELD_OUT_SEED)
    houses = _opened(files)
    if not len(houses):
        raise HouseError(f"houses={path}: no house files (.json, .jsonl, or either with .gz)")
    places = houses.at_level(level)
    if not len(places):
        low, high = ROOMS[level]
        raise EnvError(
            f"houses={path}: none has {low} to {high} rooms, as level={level} wants; leave level out"
        )
    return houses.house(int(places[(seed + attempt) % len(places)]))


def files_of(path: str, held_out: bool) -> tuple[Path, ...]:
    """Return the files that `houses=path` names, by name: a file, a folder's files, or ProcTHOR-10K's as
    `procthor-10k` or `procthor-10k:SPLIT`; of several splits, those of held-out seeds or of the others.
    """
    place, (name, colon, split) = Path(path), path.partition(":")
    if name == procthor_10k.NAME and not place.exists():
        if colon and split not in SPLITS:
            raise unknown_name(f"split of {name}", split, SPLITS)
        place = procthor_10k.folder()
        files = _house_files(place)
        if colon:
            return tuple(file for file in files if _stem(file) == split)
    elif place.is_dir():
        files = _house_files(place)
    elif place.exists():
        return (place,)
    else:
        raise HouseError(f"houses={path}: there is no such file or folder, and no data set but {NAMED}")
    parts = {split: [file for file in files if _stem(file) == split] for split in SPLITS}
    if parts["train"] and (parts["val"] or parts["test"]):
        return tuple(parts["val"] + parts["test"] if held_out else parts["train"])
    return tuple(files)


@functools.lru_cache(maxsize=4)
def _opened(files: tuple[Path, ...]) -> Houses:
    return Houses(files)


def _house_files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if {".json", ".jsonl"} & set(each.suffixes))


def _stem(file: Path) -> str:
    return file.name.partition(".")[0]
