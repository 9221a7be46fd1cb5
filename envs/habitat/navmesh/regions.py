"""Parts of the walkable cells with simple outlines, grown like water that rises from the widest places.

The outlines' corners depend on where two regions meet, so that a mesh can only have the corners of
habitat-sim's if its regions are the same: order and ties are those of Recast.

Source: watershed partitioning in Mononen, Recast; Beucher & Lantuéjoul 1979.
"""

from dataclasses import dataclass, field

import numpy as np

from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.navmesh.voxels import Cells, border_distance

_STACKS = 8
_SPREADS = 8
"""How many cells a region grows at each level of the water."""


def regions(cells: Cells, settings: NavMeshSettings) -> np.ndarray:
    """Return each cell's region, counted from 1; 0 for cells of islands that are too small; (N,)."""
    if not len(cells.x):
        return np.zeros(0, int)
    distance = border_distance(cells)
    flood = _Flood(cells, _blurred(cells, distance))
    flood.run(int(distance.max()))
    least, merged = int(settings.region_min_size) ** 2, int(settings.region_merge_size) ** 2
    return _filtered(cells, flood.region, least, merged)


def _blurred(cells: Cells, distance: np.ndarray) -> np.ndarray:
    """Return the mean of each cell and its eight neighbours, where it is not at the border."""
    padded, beside = np.append(distance, 0), cells.beside
    total = distance.copy()
    for k in range(4):
        side = beside[:, k]
        corner = np.where(side >= 0, beside[side, (k + 1) % 4], -1)
        total += np.where(side >= 0, padded[side], distance)
        total += np.where(corner >= 0, padded[corner], distance)
    return np.where(distance <= 2, distance, (total + 5) // 9)


class _Flood:
    def __init__(self, cells: Cells, depth: np.ndarray) -> None:
        self.depth, self.beside = depth, cells.beside
        self.region = np.zeros(len(depth), int)
        self.far = np.zeros(len(depth), int)
        self._next = 1
        self._sides = cells.beside.tolist()

    def run(self, deepest: int) -> None:
        level, stacks, turn = (deepest + 1) & ~1, [[] for _ in range(_STACKS)], -1
        while level > 0:
            level = max(level - 2, 0)
            turn = (turn + 1) % _STACKS
            if turn == 0:
                stacks = self._sorted(level)
            else:
                stacks[turn] = stacks[turn] + [i for i in stacks[turn - 1] if self.region[i] == 0]
            waiting = self._spread(np.array(stacks[turn], int), _SPREADS if level else None)
            stacks[turn] = waiting.tolist()
            for cell in stacks[turn]:
                if self.region[cell] == 0 and self._pour(cell, level):
                    self._next += 1
        self._spread(np.flatnonzero(self.region == 0), None)

    def _sorted(self, level: int) -> list[list[int]]:
        """Cells without a region by the level at which the water reaches them."""
        empty = np.flatnonzero(self.region == 0)
        place = np.maximum((level >> 1) - (self.depth[empty] >> 1), 0)
        return [empty[place == k].tolist() for k in range(_STACKS)]

    def _spread(self, waiting: np.ndarray, times: int | None) -> np.ndarray:
        """Let all regions grow into `waiting` cells, one ring at a time; return those still empty."""
        waiting = waiting[self.region[waiting] == 0]
        while len(waiting) and times != 0:
            taken, away = np.zeros(len(waiting), int), np.full(len(waiting), 0xFFFF)
            for k in range(4):
                side = self.beside[waiting, k]
                nearer = (side >= 0) & (self.region[side] > 0) & (self.far[side] + 2 < away)
                taken = np.where(nearer, self.region[side], taken)
                away = np.where(nearer, self.far[side] + 2, away)
            grown = taken > 0
            if not grown.any():
                break
            self.region[waiting[grown]], self.far[waiting[grown]] = taken[grown], away[grown]
            waiting = waiting[~grown]
            times = None if times is None else times - 1
        return waiting

    def _pour(self, cell: int, level: int) -> bool:
        """Begin a region at a cell; return whether it could."""
        region, depth, number = self.region, self.depth, self._next
        lowest, stack, kept = max(level - 2, 0), [cell], False
        region[cell], self.far[cell] = number, 0
        while stack:
            here = stack.pop()
            sides = self._sides[here]
            if self._touches_another(sides, number):
                region[here] = 0
                continue
            kept = True
            for side in sides:
                if side >= 0 and depth[side] >= lowest and region[side] == 0:
                    region[side], self.far[side] = number, 0
                    stack.append(side)
        return kept

    def _touches_another(self, sides: list[int], number: int) -> bool:
        for k, side in enumerate(sides):
            if side >= 0:
                if self.region[side] not in (0, number):
                    return True
                corner = self._sides[side][(k + 1) % 4]
                if corner >= 0 and self.region[corner] not in (0, number):
                    return True
        return False


@dataclass
class _Region:
    id: int
    cells: int = 0
    around: list[int] = field(default_factory=list)
    """The regions met on a walk along its border; 0 for none."""
    below: set[int] = field(default_factory=set)
    """Regions in the same columns."""
    overlaps: bool = False


def _filtered(cells: Cells, region: np.ndarray, least: int, merged: int) -> np.ndarray:
    """Leave out small islands, and join small regions to their neighbours."""
    found = [_Region(k) for k in range(int(region.max()) + 1)]
    for each, count in enumerate(np.bincount(region, minlength=len(found))):
        found[each].cells = int(count)
    _note_overlaps(cells, region, found)
    border = (np.append(region, 0)[cells.beside] != region[:, None]) & (region > 0)[:, None]
    for cell in np.flatnonzero(border.any(1)):
        each = found[region[cell]]
        if not each.around:
            each.around = _walk(cells, region, int(cell), int(border[cell].argmax()))
    _drop_islands(found, least)
    while _merge_once(found, merged):
        pass
    names = np.array([each.id for each in found])
    names[0] = 0
    result = names[region]
    _, compact = np.unique(np.append(0, result), return_inverse=True)
    return compact[1:]


def _note_overlaps(cells: Cells, region: np.ndarray, found: list[_Region]) -> None:
    column = cells.z * cells.shape[0] + cells.x
    for start in np.flatnonzero(np.diff(column, append=-1) == 0):  # cells are ordered by column
        first = start
        while first and column[first - 1] == column[start]:
            first -= 1
        for other in range(first, start + 1):
            a, b = int(region[other]), int(region[start + 1])
            if a and b:
                found[a].overlaps |= a == b
                found[b].overlaps |= a == b
                found[a].below.add(b)
                found[b].below.add(a)


def _walk(cells: Cells, region: np.ndarray, start: int, towards: int) -> list[int]:
    """Go once around a region's border and return the regions met, in order."""
    here, way, own = start, towards, region[start]

    def across(cell: int, way: int) -> int:
        side = cells.beside[cell, way]
        return int(region[side]) if side >= 0 else 0

    now = across(here, way)
    met = [now]
    while True:
        other = across(here, way)
        if other != own:
            if other != now:
                now = other
                met.append(now)
            way = (way + 1) % 4
        else:
            here, way = int(cells.beside[here, way]), (way + 3) % 4
        if (here, way) == (start, towards):
            return _without_repeats(met)


def _without_repeats(around: list[int]) -> list[int]:
    if len(around) < 2:
        return around
    kept = [each for k, each in enumerate(around) if each != around[(k + 1) % len(around)]]
    return kept or around[:1]


def _drop_islands(found: list[_Region], least: int) -> None:
    seen: set[int] = set()
    for first in found[1:]:
        if not first.cells or first.id in seen:
            continue
        island, stack = [], [first.id]
        seen.add(first.id)
        while stack:
            each = found[stack.pop()]
            island.append(each)
            for other in each.around:
                if other and other not in seen:
                    seen.add(other)
                    stack.append(other)
        if sum(each.cells for each in island) < least:
            for each in island:
                each.cells, each.id = 0, 0


def _merge_once(found: list[_Region], enough: int) -> bool:
    merged = False
    for region in found[1:]:
        if not region.id or region.overlaps or not region.cells:
            continue
        if region.cells > enough and 0 in region.around:
            continue
        others = [found[k] for k in region.around if k and found[k].id and not found[k].overlaps]
        others = [each for each in others if _can_merge(region, each) and _can_merge(each, region)]
        if not others:
            continue
        target, old = min(others, key=lambda each: each.cells), region.id
        if _absorb(target, region):
            merged = True
            for each in found[1:]:
                if each.id == old:
                    each.id = target.id
                if each.id and old in each.around:
                    each.around = _without_repeats([target.id if k == old else k for k in each.around])
                if old in each.below:
                    each.below = each.below - {old} | {target.id}
    return merged


def _can_merge(region: _Region, other: _Region) -> bool:
    return region.around.count(other.id) <= 1 and other.id not in region.below


def _absorb(target: _Region, region: _Region) -> bool:
    """Join a region to its neighbour; False where they do not meet."""
    if region.id not in target.around or target.id not in region.around:
        return False
    a, b = target.around.index(region.id), region.around.index(target.id)
    joined = [*target.around[a + 1 :], *target.around[:a], *region.around[b + 1 :], *region.around[:b]]
    target.around = _without_repeats(joined)
    target.below |= region.below
    target.cells += region.cells
    region.cells, region.around = 0, []
    return True
