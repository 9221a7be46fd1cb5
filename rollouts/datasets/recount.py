"""Statistics of a stored dataset, counted anew from its frames.

Pictures are those that the writer counts (every fourth pixel of each side); those of videos are decoded.
Knows no command.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from pretrain.sources import schema
from rollouts.datasets.encoding import StatisticsFold, image_statistics, statistics
from rollouts.datasets.stored import StoredSet

Statistics = dict[str, dict[str, Any]]


def episode_counted(stored: StoredSet, place: Any, rows: Any, keys: Iterable[str]) -> Statistics:
    """Return the statistics of an episode's features."""
    return {
        key: image_statistics(np.stack(list(stored.pictures(place, key, rows))))
        if key in stored.cameras
        else statistics(stored.values(rows, key))
        for key in keys
    }


def counted(stored: StoredSet, pictures: bool = True, advance: Callable[[str], object] = str) -> Statistics:
    """Return the statistics of a whole set: of pictures too, where that is asked for."""
    fold, keys = StatisticsFold(), statistic_keys(stored, pictures)
    for place in stored.episodes:
        fold.add(episode_counted(stored, place, stored.rows(place), keys))
        advance("")
    return fold.as_dict()


def statistic_keys(stored: StoredSet, pictures: bool) -> list[str]:
    """Return the features that have statistics: for ours, those the writer keeps."""
    if stored.is_ours:
        kept = schema.layout(schema.read_record(stored.root)).statistic_keys
        return [key for key in kept if pictures or key not in stored.cameras]
    numbers = [key for key, about in stored.numbers.items() if about["dtype"] != "bool"]
    return [*(stored.cameras if pictures else []), *numbers]


_LOOSE = 0.05
EXACT = ("min", "max", "mean", "std", "count")
"""Statistics of a union that its parts tell exactly; quantiles are averages there."""


def differences(
    kept: Mapping[str, Any], found: Mapping[str, Any], loosely: Collection[str] = ()
) -> list[str]:
    """Return where two sets of statistics differ by more than float32 rounding, in words.

    `loosely` are cameras whose statistics came of other pixels than are counted here (films, and pictures of
    which somebody else chose some): their means and deviations may be 0.05 apart, their extremes anything.
    """
    said = []
    for key, of_key in found.items():
        loose = key in loosely
        for name in ("mean", "std") if loose else EXACT:
            if name not in kept.get(key, {}):
                continue
            old, new = np.ravel(kept[key][name]).astype(float), np.ravel(of_key[name]).astype(float)
            most = _LOOSE if loose else 1e-5 * max(1.0, float(np.abs(new).max(initial=0.0)))
            if old.shape != new.shape or not np.allclose(old, new, rtol=1e-3, atol=most):
                said.append(f"{name} of {key} is {_short(old)}, its frames say {_short(new)}")
    return said


def loose_cameras(stored: StoredSet) -> list[str]:
    """Return the cameras whose stored statistics came of other pixels than are counted here."""
    return [] if stored.is_ours else stored.cameras


def _short(values: np.ndarray) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:4])
    return f"[{shown}{', …' if len(values) > 4 else ''}]"
