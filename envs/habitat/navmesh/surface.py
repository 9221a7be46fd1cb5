"""A navigation mesh to ask: the nearest point on it, a step along it, a way over it.

Frame: habitat's, metres, y up. A point is (x, y, z). Steps and ways follow Detour, so that a slide ends
where habitat-sim's ends: at the point nearest to the wanted one on the walls of the pieces around.

Sources: Mononen, Detour; Hart et al. 1968 (A*); Lee & Preparata 1984 (the funnel).
"""

import heapq
import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from envs.habitat.navmesh.polygons import Polygons

REACH = np.array([2.0, 4.0, 2.0])
"""How far from a point its place on the mesh is looked for."""


class Surface:
    """Convex pieces of floor and the walls around them.

    Arguments:
        pieces: the polygons, in cells.
        origin: the corner of the scene's box that the cells are counted from, (3,).
        cell: side and height of a cell, metres.
        climb: height differences up to this do not make a piece farther, metres.
    """

    def __init__(
        self, pieces: Polygons, origin: np.ndarray, cell: tuple[float, float], climb: float = 0.2
    ) -> None:
        side, height = cell
        sizes, origin = np.array([side, height, side], np.float32), np.asarray(origin, np.float32)
        table = (pieces.corners[:, [0, 2, 1]].astype(np.float32) * sizes + origin).astype(float)
        self.corners, self.pieces, self.neighbours = table, pieces.pieces, pieces.neighbours
        self._climb = climb
        most = max((len(piece) for piece in self.pieces), default=3)
        padded = [[*piece, *[piece[0]] * (most - len(piece))] for piece in self.pieces]
        rings = table[np.array(padded, int).reshape(-1, most)]  # (P, most, 3)
        self._first, self._second = rings, np.roll(rings, -1, 1)
        self._origin, self._grain = origin, np.float32(1 / side)
        low, high = (rings.min(1), rings.max(1)) if len(rings) else (rings[:, 0], rings[:, 0])
        self._low, self._high = self._grains(low), self._grains(high)
        self.islands = self._islands()
        self._last: tuple[np.ndarray | None, int] = None, -1  # where the last step ended, and on which piece

    def _islands(self) -> np.ndarray:
        """For each piece the number of the island it belongs to."""
        pairs = [(a, b) for a, around in enumerate(self.neighbours) for b in around if b >= 0]
        if not self.pieces:
            return np.zeros(0, int)
        rows, columns = np.array(pairs, int).reshape(-1, 2).T
        graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(self.pieces),) * 2)
        return connected_components(graph, directed=False)[1]

    def area(self, piece: int) -> float:
        """Return a piece's area in square metres."""
        ring = self.corners[list(self.pieces[piece])]
        x, z = ring[:, 0], ring[:, 2]
        return abs(float((x * np.roll(z, -1) - np.roll(x, -1) * z).sum())) / 2

    def _grains(self, points: np.ndarray) -> np.ndarray:
        """Points in whole cells from the scene's corner, as coarse as habitat-sim looks for pieces."""
        return np.floor((np.asarray(points, np.float32) - self._origin) * self._grain).astype(int)

    # places

    def nearest(self, point: Sequence[float], island: int | None = None) -> tuple[int, np.ndarray] | None:
        """Return the piece nearest to a point and the point on it; None where none is in reach."""
        point = np.asarray(point, float)
        if not len(self.pieces) or not np.isfinite(point).all():
            return None
        low, high = self._grains(point - REACH) // 2 * 2, (self._grains(point + REACH) + 1) // 2 * 2 + 1
        near = ((self._low <= high) & (self._high >= low)).all(1)
        if island is not None:
            near &= self.islands == island
        found = np.flatnonzero(near)
        if not len(found):
            return None
        a, b = self._first[found], self._second[found]
        way = b - a
        away = point - a
        turned = way[..., 0] * away[..., 2] - way[..., 2] * away[..., 0]
        inside = (turned <= 1e-12).all(1)
        squared = np.maximum(way[..., 0] ** 2 + way[..., 2] ** 2, 1e-18)
        share = np.clip((away[..., 0] * way[..., 0] + away[..., 2] * way[..., 2]) / squared, 0, 1)
        at = a + share[..., None] * way  # (F, most, 3)
        flat = (at[..., 0] - point[0]) ** 2 + (at[..., 2] - point[2]) ** 2
        edge = flat.argmin(1)
        border = at[np.arange(len(found)), edge]
        distance = ((border - point) ** 2).sum(1)
        for row in np.flatnonzero(inside):
            height = self.height(int(found[row]), point)
            distance[row] = max(abs(height - point[1]) - self._climb, 0.0) ** 2
            border[row] = point[0], height, point[2]
        best = int(distance.argmin())
        return int(found[best]), border[best]

    def height(self, piece: int, point: np.ndarray) -> float:
        """Return a piece's height under or over a point of it."""
        ring = self.corners[list(self.pieces[piece])]
        if (ring[:, 1] == ring[0, 1]).all():
            return float(ring[0, 1])
        best, found = math.inf, float(ring[0, 1])
        for k in range(1, len(ring) - 1):
            a, b, c = ring[0], ring[k], ring[k + 1]
            matrix = np.array([[b[0] - a[0], c[0] - a[0]], [b[2] - a[2], c[2] - a[2]]])
            u, v = np.linalg.solve(matrix, [point[0] - a[0], point[2] - a[2]])
            outside = max(0.0, -u, -v, u + v - 1)
            if outside < best:
                best, found = outside, float(a[1] + u * (b[1] - a[1]) + v * (c[1] - a[1]))
        return found

    # steps

    def step(self, start: Sequence[float], end: Sequence[float], slide: bool) -> np.ndarray:
        """Return where a body that wants to go straight from one point to another comes to stand."""
        start, end = np.array(start, float), np.asarray(end, float)
        known, piece = self._last
        begin = known
        if known is None or (known != start).any():
            found = self.nearest(start)
            if found is None:
                return start
            piece, begin = found
        if (np.abs(end - begin) > REACH).any() and self.nearest(end) is None:
            return start
        if not slide:
            piece, place = self._straight(piece, begin, end)
        else:
            piece, place = self._slid(piece, begin, end)
        reached = np.array([place[0], self.height(piece, place), place[2]])
        self._last = reached.copy(), piece
        return reached

    def _slid(self, first: int, start: np.ndarray, end: np.ndarray) -> tuple[int, np.ndarray]:
        middle, limit = (start + end)[[0, 2]] / 2, (math.dist(start[[0, 2]], end[[0, 2]]) / 2 + 0.001) ** 2
        target = end[[0, 2]]
        best, nearest = (first, start), math.inf
        waiting, seen = [first], {first}
        for piece in waiting:
            ring = self.corners[list(self.pieces[piece])]
            if _inside(ring[:, [0, 2]], target):
                return piece, end
            around = self.neighbours[piece]
            for k in range(len(ring)):
                k = (k - 1) % len(ring)  # the edge that closes the ring comes first
                a, b = ring[k], ring[(k + 1) % len(ring)]
                other = around[k]
                if other < 0:
                    away, share = _to_segment(target, a, b)
                    if away < nearest:
                        nearest, best = away, (piece, a + share * (b - a))
                elif other not in seen and _to_segment(middle, a, b)[0] <= limit:
                    seen.add(other)
                    waiting.append(other)
        return best

    def _straight(self, piece: int, start: np.ndarray, end: np.ndarray) -> tuple[int, np.ndarray]:
        """Go through pieces until a wall."""
        seen = {piece}
        while True:
            ring = self.corners[list(self.pieces[piece])]
            share, edge = _leaves(ring[:, [0, 2]], start[[0, 2]], end[[0, 2]])
            if edge is None:
                return piece, end
            other = self.neighbours[piece][edge]
            if other < 0 or other in seen:
                return piece, start + share * (end - start)
            piece = other
            seen.add(piece)

    def wall(self, point: Sequence[float], reach: float) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the distance to the nearest wall, at most `reach`, the point on it, and its direction back.

        The direction is NaN on a wall and where there is none in reach.
        """
        piece, begin = self.nearest(point)
        target, limit = begin[[0, 2]], reach * reach
        place, normal = np.zeros(3), np.zeros(3)
        waiting, seen = [(0.0, piece)], {piece}
        while waiting:
            _, piece = heapq.heappop(waiting)
            ring, around = self.corners[list(self.pieces[piece])], self.neighbours[piece]
            for k, other in enumerate(around):
                a, b = ring[k], ring[(k + 1) % len(ring)]
                away, share = _to_segment(target, a, b)
                if away > limit:
                    continue
                if other < 0:
                    limit = away
                    place = a + share * (b - a)
                    normal = np.array([begin[0] - place[0], begin[1] - place[1], begin[2] - place[2]])
                elif other not in seen:
                    seen.add(other)
                    heapq.heappush(waiting, (away, other))
        length = np.linalg.norm(normal)
        return math.sqrt(limit), place, normal / length if length > 0 else np.full(3, np.nan)

    # ways

    def path(self, start: Sequence[float], end: Sequence[float]) -> np.ndarray | None:
        """Return the corners (N, 3) of a short way, its ends first and last; None where there is none."""
        first, last = self.nearest(start), self.nearest(end)
        if first is None or last is None or self.islands[first[0]] != self.islands[last[0]]:
            return None
        start, end = (
            np.where(np.abs(place - asked)[[0, 2]].max() < 1e-6, asked, place)
            for (_, place), asked in ((first, np.asarray(start, float)), (last, np.asarray(end, float)))
        )
        pieces = self._corridor(first[0], last[0], start, end)
        return None if pieces is None else self._pulled(pieces, start, end)

    def _corridor(self, first: int, last: int, start: np.ndarray, end: np.ndarray) -> list[int] | None:
        """The pieces that a way leads through (A* from edge's middle to edge's middle)."""
        count = itertools.count()
        place, cost, before = {first: start}, {first: 0.0}, {first: -1}
        total = {first: 0.999 * math.dist(start, end)}
        waiting = [(total[first], next(count), first)]
        while waiting:
            value, _, piece = heapq.heappop(waiting)
            if value > total[piece]:
                continue
            if piece == last:
                pieces = [piece]
                while before[pieces[-1]] >= 0:
                    pieces.append(before[pieces[-1]])
                return pieces[::-1]
            ring = self.pieces[piece]
            for k, other in enumerate(self.neighbours[piece]):
                if other < 0 or other == before[piece]:
                    continue
                if other not in place:
                    a, b = self.corners[ring[k]], self.corners[ring[(k + 1) % len(ring)]]
                    place[other] = (a + b) / 2
                spent = cost[piece] + math.dist(place[piece], place[other])
                left = math.dist(place[other], end)
                if other == last:
                    spent, left = spent + left, 0.0
                if spent + 0.999 * left < total.get(other, math.inf):
                    total[other], cost[other], before[other] = spent + 0.999 * left, spent, piece
                    heapq.heappush(waiting, (total[other], next(count), other))
        return None

    def _pulled(self, pieces: list[int], start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Pull a string through the edges between pieces."""
        gates = []
        for here, there in itertools.pairwise(pieces):
            k, ring = self.neighbours[here].index(there), self.pieces[here]
            gates.append((self.corners[ring[(k + 1) % len(ring)]], self.corners[ring[k]]))
        gates.append((end, end))
        points, apex = [start], start
        left = right = start
        left_at = right_at = 0
        place = 0
        while place < len(gates):
            new_left, new_right = gates[place]
            if _area(apex, right, new_right) <= 0:
                if _same(apex, right) or _area(apex, left, new_right) > 0:
                    right, right_at = new_right, place
                else:
                    apex, place = left, left_at
                    points.append(apex)
                    left = right = apex
                    left_at = right_at = place
                    place += 1
                    continue
            if _area(apex, left, new_left) >= 0:
                if _same(apex, left) or _area(apex, right, new_left) < 0:
                    left, left_at = new_left, place
                else:
                    apex, place = right, right_at
                    points.append(apex)
                    left = right = apex
                    left_at = right_at = place
                    place += 1
                    continue
            place += 1
        if len(points) == 1 or not _same(points[-1], end):
            points.append(end)
        kept = [points[0], *(b for a, b in itertools.pairwise(points[:-1]) if not _same(a, b)), points[-1]]
        return np.array(kept)


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Positive where c lies to the left of the way from a to b, seen with x to the right and z upwards."""
    return float((b[0] - a[0]) * (c[2] - a[2]) - (c[0] - a[0]) * (b[2] - a[2]))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a[0] - b[0]) ** 2 + (a[2] - b[2]) ** 2 < 1e-8


def _inside(ring: np.ndarray, point: np.ndarray) -> bool:
    way, away = np.roll(ring, -1, 0) - ring, point - ring
    return bool((way[:, 0] * away[:, 1] - way[:, 1] * away[:, 0] <= 0).all())


def _to_segment(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return the squared distance from above, and where along the segment the nearest point is."""
    dx, dz = b[0] - a[0], b[2] - a[2]
    long = dx * dx + dz * dz
    share = ((point[0] - a[0]) * dx + (point[1] - a[2]) * dz) / long if long > 0 else 0.0
    share = min(max(share, 0.0), 1.0)
    return (a[0] + share * dx - point[0]) ** 2 + (a[2] + share * dz - point[1]) ** 2, share


def _leaves(ring: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[float, int | None]:
    """Return where along a segment it leaves a convex ring, and through which edge; None if it does not."""
    way = np.roll(ring, -1, 0) - ring
    before = way[:, 0] * (start - ring)[:, 1] - way[:, 1] * (start - ring)[:, 0]
    after = way[:, 0] * (end - ring)[:, 1] - way[:, 1] * (end - ring)[:, 0]
    out = np.flatnonzero(after > 1e-12)
    if not len(out):
        return 1.0, None
    share = np.maximum(-before[out], 0) / np.maximum(after[out] - before[out], 1e-18)
    first = int(share.argmin())
    return float(share[first]), int(out[first])
