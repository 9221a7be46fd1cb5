"""Push blocks into a frame around a line that bars its opening (VIMA-Bench's task 13)."""

from typing import ClassVar

import numpy as np

from envs.poses import Pose
from envs.vima.experts.sweep import Rehearse, Table
from envs.vima.experts.sweep_detour import plan_detour
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast
from envs.vima.tasks.goals import Goal, Zone
from envs.vima.tasks.sweep_without_exceeding import (
    BOUNDS,
    LINE,
    QUARTER_TURN,
    SWEPT_SPAN,
    SweepWithoutExceeding,
)
from envs.vima.things.state import ObjectState

BOUNDS_CENTRE, BOUNDS_SCALE = (0.39, 0.0), (0.86, 1.5)
LINE_X = 0.496


class SweepWithoutTouching(SweepWithoutExceeding):
    """`Sweep <how many> {swept_obj} into {bounds} without touching {constraint}.`

    The zone is the frame itself; the line lies right before its open side, so blocks must go around it.
    """

    name = "sweep_without_touching"
    oracle_max_steps = 14
    distractor_span = SWEPT_SPAN
    forbidden: ClassVar[str] = "touching"

    def place_bounds(self, world: World, bounds_texture: str, line_texture: str) -> tuple[int, int]:
        x, y, z = world.draw_size(BOUNDS)
        bounds_size = (x * BOUNDS_SCALE[0], y * BOUNDS_SCALE[1], z)
        x, y, z = world.draw_size(LINE)
        line_size = (x * self.settings["line_scale"], y, z)
        return (
            world.add(BOUNDS, bounds_texture, Pose((*BOUNDS_CENTRE, 0.0), QUARTER_TURN), bounds_size),
            world.add(LINE, line_texture, Pose((LINE_X, 0.0, line_size[2] / 2), QUARTER_TURN), line_size),
        )

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        bounds = world.records[cast.one("bounds")]
        depth, width = bounds.size[:2]  # along x and along y of the world
        zone = Zone(bounds.pose, (width, depth))
        return [Goal(objects=(body,), targets=(bounds.pose,), zone=zone) for body in cast.roles["swept"]]

    def plan(self, table: Table, zone: Zone, line: ObjectState, rehearse: Rehearse) -> dict[str, np.ndarray]:
        return plan_detour(table, zone, rehearse, line_x=line.position[0], line_half=line.size[0] / 2)
