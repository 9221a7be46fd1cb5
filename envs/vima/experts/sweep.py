"""The expert of sweep tasks: tries pushes on a copy of the table and takes the first that does what is asked.

Upstream's pushes each block from its centre towards the middle of the zone and meets the exact count in 75–80
% of episodes: one push brings two blocks, a distractor comes along, or a block is left on the edge. Ours
knows the same table but looks ahead: candidate pushes are ranked by what lies in the plate's way and carried
out on the scene, which is then put back, until one has the right outcome. Where no single push helps, it
looks for one that pulls blocks apart so that the next push can be right. Deterministic: no draws, no memory
between steps, the table is left as it was found.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.vima.experts.pick_and_place import action
from envs.vima.tasks.goals import Zone

REACH_M = 0.046
"""Half a plate and half a block's diagonal: what is nearer to the plate's path is taken along."""
STOP_SHORT_M = 0.0325
"""A pushed block's middle rests this far before the commanded end (plate 5 cm short, half a block ahead of
it).
"""
INSET_M = 0.022
"""How deep in the zone a block's middle must be for all of it to be inside at any yaw."""
CLEAR_M = 0.055
"""A path this far from every other block needs no trial."""
EDGE_X_M = 0.735
"""The mat ends at 0.75, and blocks that are born into each other jump apart by about a centimetre."""
SIDE_STEPS_M = (0.0, -0.012, 0.012, -0.022, 0.022)
APART_M = (0.05, 0.09)
TRIALS, SECOND_TRIALS, SEPARATIONS = 30, 4, 12

Point = tuple[float, float]


@dataclass(frozen=True)
class Table:
    """What the plan knows of the blocks: middles by id, and which of them are still wanted inside."""

    blocks: Mapping[int, Point]
    wanted: tuple[int, ...]
    """Blocks to sweep that are outside."""
    inside: tuple[int, ...]
    missing: int
    """How many more blocks must come inside."""

    def near_the_edge(self) -> tuple[int, ...]:
        """Blocks that were born on the mat's far edge: left there, they lose the episode."""
        return tuple(body for body in self.wanted if self.blocks[body][0] > EDGE_X_M)


class Push(NamedTuple):
    """A commanded push of one block, and how bad it looks (lower is better)."""

    body: int
    start: Point
    end: Point
    cost: float
    clear: bool = False
    """Whether nothing else is anywhere near, so that the outcome is known without trying."""

    def action(self) -> dict[str, np.ndarray]:
        return action(self.start, self.end)


@dataclass(frozen=True)
class Rehearsal:
    """What a push on the real physics led to."""

    table: Table
    """Of no meaning where the episode is lost."""
    lost: bool
    """Whether the episode would have failed."""


Rehearse = Callable[[list[Push]], Rehearsal]
"""Carry out pushes on a copy of the table."""


def plan(table: Table, zone: Zone, rehearse: Rehearse) -> dict[str, np.ndarray]:
    """Return the next push as an action."""
    sweeps = sweeps_into(table, zone)
    for push in sweeps[:TRIALS]:
        if push.clear or _gains(table, rehearse([push])):
            return push.action()
    harmless = None
    for push in separations(table, zone)[:SEPARATIONS]:
        after = rehearse([push])
        if after.lost or after.table.missing != table.missing:
            continue
        harmless = harmless or push
        for second in sweeps_into(after.table, zone)[:SECOND_TRIALS]:
            if _gains(table, rehearse([push, second])):
                return push.action()
    return (harmless or sweeps[0]).action()


def _gains(before: Table, after: Rehearsal) -> bool:
    return not after.lost and after.table.missing < before.missing


def sweeps_into(table: Table, zone: Zone) -> list[Push]:
    """List pushes that bring a wanted block into the zone, the most promising first."""
    (centre_x, centre_y), (across, along) = zone.pose.position[:2], zone.size  # the zone is turned by -90°
    depth = max(along / 2 - INSET_M, 0.0)
    width = across / 2 - INSET_M
    columns = np.linspace(centre_y - width, centre_y + width, 7).tolist()
    pushes: list[Push] = []
    for body in table.near_the_edge() or table.wanted:
        y = table.blocks[body][1]
        straight = min(max(y, centre_y - width), centre_y + width)
        goals = [
            (goal_x, goal_y)
            for goal_y in (straight, *columns)
            for goal_x in (centre_x, centre_x + 0.8 * depth)
        ]
        pushes += _pushes(table, body, goals, SIDE_STEPS_M, missing=table.missing)
    return sorted(pushes, key=lambda push: push.cost)


def separations(table: Table, zone: Zone) -> list[Push]:
    """List pushes of any outside block that leave a better table behind, the most promising first."""
    pushes = []
    edge = table.near_the_edge()
    for body, (x, y) in table.blocks.items():
        if body in table.inside or (edge and body not in edge):
            continue
        for angle in np.arange(8) * math.pi / 4:
            for way in APART_M:
                goal = (x + way * math.cos(angle), y + way * math.sin(angle))
                if not _may_rest(goal, zone):
                    continue
                moved = Table({**table.blocks, body: goal}, table.wanted, table.inside, table.missing)
                then = sweeps_into(moved, zone)[0].cost
                for push in _pushes(table, body, [goal], SIDE_STEPS_M[:3], missing=1):
                    pushes.append(Push(body, push.start, push.end, then + 0.3 * push.cost))
    return sorted(pushes, key=lambda push: push.cost)


def _may_rest(point: Point, zone: Zone) -> bool:
    """Whether a block may be left here: on the robot-averted part of the table, off the zone's border."""
    beyond = zone.pose.position[0] + zone.size[1] / 2 + 0.03
    return beyond < point[0] < 0.73 and abs(point[1]) < 0.45


def _pushes(
    table: Table, body: int, goals: Iterable[Point], sides: Iterable[float], *, missing: int
) -> Iterator[Push]:
    """Yield the pushes that bring `body` to each goal, the plate each of `sides` metres beside the block's
    middle.
    """
    start = table.blocks[body]
    others = [(other in table.wanted, *place) for other, place in table.blocks.items() if other != body]
    crowd = [table.blocks[other] for other in table.inside if other != body]
    alone = not table.inside and not table.near_the_edge()
    for goal in goals:
        length = math.dist(start, goal)
        dx, dy = (-1.0, 0.0)
        if length > 1e-6:
            dx, dy = (goal[0] - start[0]) / length, (goal[1] - start[1]) / length
        crowded = sum(max(0.0, 0.05 - math.dist(goal, place)) * 20 for place in crowd)
        for side in sides:
            first_x, first_y = start[0] + -dy * side, start[1] + dx * side
            cost = 0.2 * length + 8 * abs(side)
            taken, clear = 1, side == 0.0 and alone
            for wanted, x, y in others:
                beside_x, beside_y = x - first_x, y - first_y
                aside = abs(beside_y * dx - beside_x * dy)
                if aside > CLEAR_M or not -0.045 < beside_x * dx + beside_y * dy < length + 0.04:
                    continue
                clear = False
                overlap = (REACH_M + 0.008 - aside) / 0.02  # 0 clear … 1 surely taken along
                if wanted and taken < missing:
                    taken += overlap > 0.5
                elif overlap > 0:
                    cost += min(1.0, overlap) * (1.0 + max(0.0, (REACH_M - aside) / REACH_M))
            last = (goal[0] + -dy * side + STOP_SHORT_M * dx, goal[1] + dx * side + STOP_SHORT_M * dy)
            yield Push(body, (first_x, first_y), last, cost + crowded, clear)
