"""Convex pieces of outlined regions, and which of them meet: what a path finder walks on.

Source: Mononen, Recast: the shortest diagonal is cut first, the longest edge taken out first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.habitat.navmesh.contours import Contour

_MOST_CORNERS = 6
Corner = tuple[int, int]


@dataclass(frozen=True)
class Polygons:
    """Convex polygons whose corners run one way round, x and z in cells."""

    corners: np.ndarray  # (V, 3) int: x, z, height
    pieces: tuple[tuple[int, ...], ...]
    """Numbers of the corners of each."""
    neighbours: tuple[tuple[int, ...], ...]
    """What lies beyond the edge that begins at each corner: a piece's number, -1 for a wall."""


def polygons(outlines: Sequence[Contour]) -> Polygons:
    """Cut regions into convex pieces."""
    number: dict[tuple[int, int, int], int] = {}
    table: list[tuple[int, int, int]] = []
    pieces: list[tuple[int, ...]] = []
    for region in sorted({each.region for each in outlines}):
        mine = [each for each in outlines if each.region == region]
        solid = [each for each in mine if _area(each.corners) > 0]
        holes = [each for each in mine if _area(each.corners) <= 0]
        for outline in solid:
            ring = [tuple(corner) for corner in outline.corners.tolist()]
            if len(solid) == 1:
                ring = _with_holes(ring, [[tuple(c) for c in hole.corners.tolist()] for hole in holes])
            names = [_named(corner, number, table) for corner in ring]
            triangles = _triangles([corner[:2] for corner in ring])
            found = [tuple(names[k] for k in triangle) for triangle in triangles]
            pieces += _merged(found, table)
    return Polygons(np.array(table).reshape(-1, 3), tuple(pieces), _neighbours(pieces))


def _named(corner: tuple, number: dict[tuple[int, int, int], int], table: list) -> int:
    """Corners at the same place, and nearly at the same height, are one."""
    x, z, height = corner
    for away in (0, -1, 1, -2, 2):
        if (x, z, height + away) in number:
            return number[x, z, height + away]
    number[x, z, height] = len(table)
    table.append(corner)
    return len(table) - 1


def _area(corners: np.ndarray) -> float:
    x, z = corners[:, 0], corners[:, 1]
    return float((x * np.roll(z, -1) - np.roll(x, -1) * z).sum()) * _WINDING


_WINDING = -1
"""Outlines run clockwise where x grows to the right and z upwards."""


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """Negative where c lies on the inner side of the way from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])


def _crossing(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two segments share a point."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if 0 not in turns:
        return (turns[0] < 0) != (turns[1] < 0) and (turns[2] < 0) != (turns[3] < 0)
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(_on(*end) for end in ends)


def _on(a: Corner, b: Corner, c: Corner) -> bool:
    if _turn(a, b, c) != 0:
        return False
    axis = 0 if a[0] != b[0] else 1
    return min(a[axis], b[axis]) <= c[axis] <= max(a[axis], b[axis])


def _diagonal(ring: list[Corner], i: int, j: int) -> bool:
    """Whether the line between two corners runs inside and meets no edge but at them."""
    count, a, b = len(ring), ring[i], ring[j]
    after, before = ring[(i + 1) % count], ring[i - 1]
    if _turn(before, a, after) <= 0:  # a corner that sticks out
        inside = _turn(a, b, before) < 0 and _turn(b, a, after) < 0
    else:
        inside = not (_turn(a, b, after) <= 0 and _turn(b, a, before) <= 0)
    if not inside:
        return False
    for k in range(count):
        c, d = ring[k], ring[(k + 1) % count]
        if a in (c, d) or b in (c, d):
            continue
        if _crossing(a, b, c, d):
            return False
    return True


def _triangles(ring: list[Corner]) -> list[tuple[int, int, int]]:
    left, found = list(range(len(ring))), []

    def good(place: int) -> bool:
        here = [ring[k] for k in left]
        return _diagonal(here, (place - 1) % len(here), (place + 1) % len(here))

    can = [good(place) for place in range(len(left))]
    while len(left) > 3:
        count = len(left)
        best, least = None, None
        for place in range(count):
            middle = (place + 1) % count
            if can[middle]:
                a, c = ring[left[place]], ring[left[(place + 2) % count]]
                long = (c[0] - a[0]) ** 2 + (c[1] - a[1]) ** 2
                if least is None or long < least:
                    best, least = place, long
        if best is None:  # an outline that touches itself: cut where nothing is turned over
            best = next(
                (k for k in range(count) if _turn(*(ring[left[(k + j) % count]] for j in range(3))) <= 0), 0
            )
        middle = (best + 1) % count
        found.append((left[best], left[middle], left[(best + 2) % count]))
        del left[middle], can[middle]
        after = middle % len(left)
        for place in ((after - 1) % len(left), after):
            can[place] = good(place)
    return [*found, tuple(left)]


def _with_holes(ring: list, holes: list[list]) -> list:
    """Cut an outline open to its holes, from left to right."""
    for hole in sorted(holes, key=min):
        others = [each for each in holes if each is not hole]
        start = hole.index(min(hole))
        for k in range(len(hole)):
            joint = (start + k) % len(hole)
            place = _seen_from(hole[joint], ring, [hole, *others])
            if place is not None:
                ring = [*ring[place:], *ring[: place + 1], *hole[joint:], *hole[: joint + 1]]
                break
    return ring


def _seen_from(point: tuple, ring: list, holes: list[list]) -> int | None:
    """The nearest corner of an outline that a straight line reaches."""
    spot = point[:2]
    order = sorted(range(len(ring)), key=lambda k: (ring[k][0] - spot[0]) ** 2 + (ring[k][1] - spot[1]) ** 2)
    edges = [
        (line[k][:2], line[(k + 1) % len(line)][:2]) for line in (ring, *holes) for k in range(len(line))
    ]
    for place in order:
        end = ring[place][:2]
        if not any(
            _crossing(spot, end, a, b) for a, b in edges if spot not in (a, b) and end not in (a, b)
        ) and _opens(ring, place, spot):
            return place
    return None


def _opens(ring: list, place: int, spot: Corner) -> bool:
    """Whether a line from a corner to a spot starts into the region."""
    a, after, before = ring[place][:2], ring[(place + 1) % len(ring)][:2], ring[place - 1][:2]
    if _turn(before, a, after) <= 0:
        return _turn(a, spot, before) < 0 and _turn(spot, a, after) < 0
    return not (_turn(a, spot, after) <= 0 and _turn(spot, a, before) <= 0)


def _merged(pieces: list[tuple[int, ...]], table: list) -> list[tuple[int, ...]]:
    """Join pieces over their longest common edges while they stay convex."""
    values = {(a, b): _joint(pieces[a], pieces[b], table) for b in range(len(pieces)) for a in range(b)}
    while True:
        best, chosen = 0, None
        for a in range(len(pieces)):
            for b in range(a + 1, len(pieces)):
                value = values[a, b]
                if value is not None and value[0] > best:
                    best, chosen = value[0], (a, b)
        if chosen is None:
            return pieces
        a, b = chosen
        _, at_a, at_b = values[chosen]
        first, second = pieces[a], pieces[b]
        joined = [first[(at_a + 1 + k) % len(first)] for k in range(len(first) - 1)]
        joined += [second[(at_b + 1 + k) % len(second)] for k in range(len(second) - 1)]
        pieces[a] = tuple(joined)
        last = len(pieces) - 1
        pieces[b] = pieces[last]
        pieces.pop()
        changed = {a, b} - {last}
        for other in range(len(pieces)):
            for each in changed:
                if other != each and each < len(pieces):
                    low, high = min(other, each), max(other, each)
                    values[low, high] = _joint(pieces[low], pieces[high], table)


def _joint(a: tuple[int, ...], b: tuple[int, ...], table: list) -> tuple[int, int, int] | None:
    """Return (squared length, place in a, place in b) of an edge whose loss leaves a convex piece."""
    if len(a) + len(b) - 2 > _MOST_CORNERS:
        return None
    edges = {(b[k], b[(k + 1) % len(b)]): k for k in range(len(b))}
    for at_a in range(len(a)):
        at_b = edges.get((a[(at_a + 1) % len(a)], a[at_a]))
        if at_b is None:
            continue
        spots = lambda names: [table[name][:2] for name in names]  # noqa: E731
        if _turn(*spots((a[at_a - 1], a[at_a], b[(at_b + 2) % len(b)]))) >= 0:
            return None
        if _turn(*spots((b[at_b - 1], b[at_b], a[(at_a + 2) % len(a)]))) >= 0:
            return None
        (x0, z0), (x1, z1) = spots((a[at_a], a[(at_a + 1) % len(a)]))
        return (x1 - x0) ** 2 + (z1 - z0) ** 2, at_a, at_b
    return None


def _neighbours(pieces: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    owner = {
        (piece[k], piece[(k + 1) % len(piece)]): place
        for place, piece in enumerate(pieces)
        for k in range(len(piece))
    }
    return tuple(
        tuple(owner.get((piece[(k + 1) % len(piece)], piece[k]), -1) for k in range(len(piece)))
        for piece in pieces
    )
