"""Follow the way that the map shows: an expert that knows nothing else of the house.

What it does is a function of what an observation shows, which is what makes it learnable.
"""

import math

import numpy as np

from envs.house.ground import Stance, wrapped
from envs.house.tasks.body import AHEAD, LEFT, RIGHT, Body
from envs.house.tasks.egomap import EgoMap
from envs.house.tasks.way import Area, Way

_LOOK_M = 0.1
"""How far beyond a step the floor is looked at."""
_STEADY = 0.02
"""What going on as one looks may cost more than the best."""
_ASIDE = 2
"""Turns to either side of the wanted heading that are weighed."""


def next_action(known: EgoMap, stance: Stance, body: Body, followed: Way) -> int:
    """Return what a body should do on its way: go on where ahead is about the best, else turn to the best."""
    area = Area.of(known, stance, followed)
    way, turn = area.corner(stance, followed) - stance.point, math.radians(body.turn)
    wanted = wrapped(math.atan2(-way[0], way[1]) - stance.yaw)
    nearest, turns = round(wanted / turn), round(360 / body.turn)

    def cost(k: int) -> float:
        angle = stance.yaw + k * turn
        forward = np.array([-math.sin(angle), math.cos(angle)])
        end = stance.point + (body.step + _LOOK_M) * forward
        return area.dear(stance.point, end) + body.step * abs(wanted - k * turn)

    around = {k: cost(k) for k in range(nearest - _ASIDE, nearest + _ASIDE + 1)}
    best = min(around, key=around.get)
    if around.get(0, math.inf) <= around[best] + _STEADY:
        return AHEAD
    best = (best + turns // 2) % turns - turns // 2
    return LEFT if best > 0 else RIGHT
