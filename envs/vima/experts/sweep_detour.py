"""The expert of the sweep whose opening is barred: sideways past the line, back along it, in from the side.

As upstream's, it brings each block through three phases; blocks that are farther along go first, then those
farther from the zone. Like `sweep`, it tries a push on the table, which is put back, before it takes
it, so that no block is pushed onto the line, out of the table or into the zone unasked. Deterministic,
without memory.
"""

import math
from collections.abc import Iterator

import numpy as np

from envs.vima.experts.sweep import STOP_SHORT_M, Point, Push, Rehearsal, Rehearse, Table
from envs.vima.tasks.goals import Zone

PAST_M = 0.05
"""How far beside the line's end a block counts as past it, and once more to where it is pushed."""
BESIDE_X_M = 0.37
"""Where a block stands when it has been pushed back along the line."""
CLEAR_OF_LINE_M = 0.04
"""Half the line's width, and 2 cm."""
SIDE_STEPS_M = (0.0, -0.012, 0.012, -0.022, 0.022)
LATERAL_M = (0.0, 0.04, 0.09)
FAR_X_M = (0.0, -0.05, 0.05)
TRIALS = 40
IN_FRONT, PAST, BESIDE, INSIDE = range(4)


def plan_detour(
    table: Table, zone: Zone, rehearse: Rehearse, *, line_x: float, line_half: float
) -> dict[str, np.ndarray]:
    """Return the next push as an action; the line lies at `line_x`, `line_half` to both sides of y = 0."""

    def phase(now: Table, body: int) -> int:
        x, y = now.blocks[body]
        if body in now.inside:
            return INSIDE
        if abs(y) <= line_half + PAST_M and x > line_x:
            return IN_FRONT
        return PAST if x > line_x - CLEAR_OF_LINE_M else BESIDE

    centre = zone.pose.position[:2]
    order = sorted(
        table.wanted, key=lambda body: (-phase(table, body), -math.dist(table.blocks[body], centre))
    )
    harmless: Push | None = None
    trials = 0
    for body in order:
        before = phase(table, body)
        for push in _candidates(table, zone, body, before, line_x, line_half):
            if trials == TRIALS:
                break
            trials += 1
            after = rehearse([push])
            if after.lost or not _on_the_mat(after):
                continue
            if phase(after.table, body) > before:
                return push.action()
            harmless = harmless or push
    chosen = harmless or next(_candidates(table, zone, order[0], phase(table, order[0]), line_x, line_half))
    return chosen.action()


def _candidates(
    table: Table, zone: Zone, body: int, phase: int, line_x: float, line_half: float
) -> Iterator[Push]:
    """Yield pushes that bring a block into its next phase, the plainest first."""
    x, y = table.blocks[body]
    for goal in _goals(zone, (x, y), phase, line_x, line_half):
        for side in SIDE_STEPS_M:
            yield _push(body, (x, y), goal, side)


def _goals(zone: Zone, place: Point, phase: int, line_x: float, line_half: float) -> Iterator[Point]:
    x, y = place
    if phase == IN_FRONT:
        nearer = 1.0 if y >= 0 else -1.0
        for lateral in LATERAL_M:
            for sign in (nearer, -nearer):
                for far in FAR_X_M:
                    goal_x = min(max(x + far, line_x + 0.06), 0.71)
                    yield goal_x, sign * (line_half + 2 * PAST_M + lateral)
    elif phase == PAST:
        for lateral in LATERAL_M:
            outward = max(abs(y), line_half + 2 * PAST_M) + lateral
            yield BESIDE_X_M, math.copysign(outward, y)
    else:
        (centre_x, centre_y), (across, along) = zone.pose.position[:2], zone.size
        inset_y, inset_x = across / 2 - 0.03, along / 2 - 0.03
        edge = math.copysign(inset_y, y)
        for goal_y in (edge, centre_y, edge / 2):
            for goal_x in (min(max(x, centre_x - inset_x), centre_x + inset_x), centre_x):
                yield goal_x, goal_y


def _push(body: int, start: Point, goal: Point, side: float) -> Push:
    length = max(math.dist(start, goal), 1e-6)
    dx, dy = (goal[0] - start[0]) / length, (goal[1] - start[1]) / length
    first = (start[0] - dy * side, start[1] + dx * side)
    last = (goal[0] - dy * side + STOP_SHORT_M * dx, goal[1] + dx * side + STOP_SHORT_M * dy)
    return Push(body, first, last, length)


def _on_the_mat(after: Rehearsal) -> bool:
    """Tell whether no wanted block came so near the far edge that it can hardly be pushed."""
    return all(after.table.blocks[body][0] < 0.745 for body in after.table.wanted)
