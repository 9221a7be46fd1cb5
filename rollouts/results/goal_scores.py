"""How near a drawn goal is to the real one: by pixels, by features, and by where things lie.

Things are read back from a picture by what stands out from the table: its most frequent colour is taken for
the background, and what differs is cut into connected regions. That works where the background has one
colour, as the tabletop's; elsewhere there are no things.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from pretrain.tokenizing.discriminator import RandomFeatures

_STANDS_OUT = 40
"""Levels of 255 in some channel by which a pixel differs from the background."""
_LEAST_SHARE = 0.4 / 1000
"""Of the picture that a thing covers."""
_PLAIN = 0.3
"""Least share of the picture that has the background's colour."""
NEAR = 0.06
"""Share of the picture's height within which a thing is where it should be: 3 cm of a table of 50 cm."""
_SAME_COLOUR = 60.0
"""Mean levels of 255 by which the colours of one thing may differ."""


@dataclass(frozen=True)
class Thing:
    """A region that stands out: its middle (row, column) in shares of the picture's height, its colour."""

    middle: tuple[float, float]
    colour: tuple[float, float, float]


def things(picture: np.ndarray) -> list[Thing] | None:
    """Return what lies in a picture, float32 [H, W, 3] in [0, 1]; None where no colour is the background."""
    levels = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    coarse = (levels >> 4).reshape(-1, 3).astype(np.int64) @ (256, 16, 1)
    usual = np.bincount(coarse).argmax()
    alike = coarse == usual
    background = np.median(levels.reshape(-1, 3)[alike], 0)
    stands_out = np.abs(levels.astype(np.int16) - background.astype(np.int16)).max(-1) > _STANDS_OUT
    if 1 - stands_out.mean() < _PLAIN:
        return None
    regions, count = ndimage.label(stands_out, structure=np.ones((3, 3)))
    height = levels.shape[0]
    found = []
    for region in range(1, count + 1):
        mine = regions == region
        if mine.sum() >= max(2, _LEAST_SHARE * mine.size):
            row, column = np.argwhere(mine).mean(0)
            colour = levels[mine].mean(0)
            found.append(Thing((row / height, column / height), tuple(colour.tolist())))
    return found


def placed(real: list[Thing], drawn: list[Thing]) -> list[bool]:
    """Tell of each real thing whether the drawn picture has one of its colour at its place, each counted
    once.
    """
    if not real or not drawn:
        return [False] * len(real)
    away = np.array([[math.dist(one.middle, other.middle) for other in drawn] for one in real])
    differ = np.array([[math.dist(one.colour, other.colour) for other in drawn] for one in real]) / 3**0.5
    wrong = (away > NEAR) | (differ > _SAME_COLOUR)
    rows, columns = linear_sum_assignment(away + 1000.0 * wrong)
    found = [False] * len(real)
    for row, column in zip(rows, columns, strict=True):
        found[row] = not wrong[row, column]
    return found


def scores(drawn: np.ndarray, real: np.ndarray, first: np.ndarray) -> dict[str, float]:
    """Compare a drawn goal with the real one; `first` is the first observation, all float32 [H, W, 3].

    `psnr_db`; `features`, the distance of `RandomFeatures`; `placed`, the share of the goal's things that are
    where they should be; `moved`, the same of those that were not there at first (absent where there are
    none).
    """
    squared = float(np.square(drawn - real).mean())
    values = {"psnr_db": -10 * math.log10(max(squared, 1e-10)), "features": _features(drawn, real)}
    wanted, before, found = things(real), things(first), things(drawn)
    if not wanted or before is None:
        return values
    hits = placed(wanted, found or [])
    values["placed"] = sum(hits) / len(hits)
    stayed = placed(wanted, before)
    moved = [hit for hit, stays in zip(hits, stayed, strict=True) if not stays]
    if moved:
        values["moved"] = sum(moved) / len(moved)
    return values


def means(rows: list[Mapping[str, float]]) -> dict[str, tuple[float, int]]:
    """Return the mean of each score over those that have it, and how many have."""
    names = dict.fromkeys(name for row in rows for name in row)
    held = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: (float(np.mean(values)), len(values)) for name, values in held.items()}


def _features(drawn: np.ndarray, real: np.ndarray) -> float:
    one, other = (
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() * 2 - 1
        for picture in (drawn, real)
    )
    with torch.no_grad():
        return float(_distance()(other, one))


@cache
def _distance() -> RandomFeatures:
    return RandomFeatures(3)
