"""Point navigation: a goal is told by its distance and direction; come within 0.2 metres of it and stop.

Rules: Habitat's PointNav (Savva et al. 2019; Anderson et al. 2018): 0.25 m and 10° steps, sliding along what
is touched, 500 steps, SPL.
"""

import math

import gymnasium
import numpy as np

from envs.house.experts import follower
from envs.house.simulator import Stance
from envs.house.tasks.navigation import AHEAD, DOWN, LEFT, RIGHT, STOP, UP, Body, NavigationEnv

REACH = 0.2
"""Metres along the floor within which the goal is reached."""
_LEAST_WAY = 1.0
"""Metres of way that an episode has at least."""
_EXPERT_STOPS = 0.15
_MOVES = {
    follower.AT_GOAL: STOP,
    follower.GO: AHEAD,
    follower.TURN_LEFT: LEFT,
    follower.TURN_RIGHT: RIGHT,
}


class PointNavEnv(NavigationEnv):
    """`habitat/PointNav-v0`. Observations hold `pointgoal`: metres to the goal as the crow flies, and
    radians to the left of where the body looks. Arguments: see NavigationEnv.
    """

    task = "PointNav"
    body = Body(radius=0.1, height=1.5, eye=1.25, turn=10.0, tilt=15.0, vertical_fov=90.0)
    _kept = (*NavigationEnv._kept, "_goal")

    def _more_spaces(self) -> dict[str, gymnasium.Space]:
        low, high = np.array([0, -math.pi], np.float32), np.array([np.inf, math.pi], np.float32)
        return {"pointgoal": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def _more(self) -> dict[str, np.ndarray]:
        stance = self._simulator.stance
        x, y = self._goal - stance.point
        left = (math.atan2(-x, y) - stance.yaw + math.pi) % (2 * math.pi) - math.pi
        return {"pointgoal": np.array([math.hypot(x, y), left], np.float32)}

    def _set(self, rng: np.random.Generator) -> bool:
        grid = self._simulator.grid
        main = np.flatnonzero(grid.components == 0)
        if not len(main):
            return False
        goal = int(rng.choice(main))
        away = grid.field([goal]).distances[main]
        starts = main[np.isfinite(away) & (away >= _LEAST_WAY)]
        if not len(starts):
            return False
        self._goal = grid.points[goal].copy()
        x, y = grid.points[int(rng.choice(starts))]
        yaw = math.radians(self.body.turn) * int(rng.integers(round(360 / self.body.turn)))
        self._simulator.stand(Stance(float(x), float(y), yaw - math.pi, 0.0, self.body.eye))
        return True

    def _prompt(self) -> str:
        return "Go to the goal."

    def _reached(self, stance: Stance) -> bool:
        return self._distance() < REACH

    def _goal_cells(self) -> list[int]:
        return [self._simulator.grid.index(self._goal)]

    def _expert_action(self) -> int | None:
        if abs(pitch := self._simulator.stance.pitch) > 1e-6:
            return DOWN if pitch > 0 else UP
        move = follower.next_move(
            self._simulator,
            self._goal_cells(),
            step=self.body.step,
            turn=math.radians(self.body.turn),
            near=_EXPERT_STOPS,
        )
        return None if move is None else _MOVES[move]

    def _final(self, stance: Stance) -> list[int]:
        return []

    def _ahead(self) -> bool:
        return self._simulator.slide(self.body.step)
