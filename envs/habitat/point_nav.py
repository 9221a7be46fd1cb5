"""Point navigation: a goal is told by its distance and direction; come within 0.2 metres of it and stop.

Rules: Habitat's PointNav (Savva et al. 2019; Anderson et al. 2018): 0.25 m and 10° steps, sliding along what
is touched, 500 steps, SPL.
"""

import math
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError
from envs.habitat.episodes import Episode, Goal
from envs.habitat.place import MeshPlace
from envs.habitat.task import HabitatEnv, flat, lifted
from envs.house.experts import follower
from envs.house.ground import wrapped
from envs.house.navigation.grid import length
from envs.house.simulator import Stance
from envs.house.tasks.body import AHEAD, DOWN, LEFT, RIGHT, STOP, UP, Body

REACH = 0.2
"""Metres along the floor within which the goal is reached."""
_LEAST_WAY = 1.0
"""Metres of way that an episode has at least."""
_EXPERT_STOPS = 0.15
_AT_HAND = 0.75
"""Metres of way from which on the explorer needs no map."""
MOVES = {
    follower.AT_GOAL: STOP,
    follower.GO: AHEAD,
    follower.TURN_LEFT: LEFT,
    follower.TURN_RIGHT: RIGHT,
}
"""What the follower says → action."""


class PointNavEnv(HabitatEnv):
    """`habitat/PointNav-v0`. Observations hold `pointgoal`: metres to the goal as the crow flies, and
    radians to the left of where the body looks. Arguments: see HabitatEnv.
    """

    task = "PointNav"
    default_sensors = ("depth", "map", "route")
    body = Body(radius=0.1, height=1.5, eye=1.25, turn=10.0, tilt=15.0, vertical_fov=90.0)
    _kept = (*HabitatEnv._kept, "_goal")

    def _more_spaces(self) -> dict[str, gymnasium.Space]:
        low, high = np.array([0, -math.pi], np.float32), np.array([np.inf, math.pi], np.float32)
        return {"pointgoal": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def _more(self) -> dict[str, np.ndarray]:
        stance = self._simulator.stance
        x, y = self._goal - stance.point
        left = wrapped(math.atan2(-x, y) - stance.yaw)
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
        self._goal, self._goals = grid.points[goal].copy(), (goal,)
        x, y = grid.points[int(rng.choice(starts))]
        yaw = math.radians(self.body.turn) * int(rng.integers(round(360 / self.body.turn)))
        self._simulator.stand(Stance(float(x), float(y), yaw - math.pi, 0.0, self.body.eye))
        return True

    def _check_episode(self, episode: Episode) -> None:
        if episode.object_category is not None:
            raise EnvError(
                f"{self._file}: episode {episode.episode_id} looks for {episode.object_category!r}: "
                "play it as ObjectNav"
            )

    def _goal_points(self, episode: Episode) -> list[tuple[float, float, float]]:
        self._goal = np.array(flat(episode.goals[0].position))
        return [goal.position for goal in episode.goals]

    def _goal_spots(self) -> list[np.ndarray]:
        return [self._goal]

    def _told(self) -> dict[str, Any]:
        return {"goals": (Goal(lifted(self._goal), REACH),)}

    def _prompt(self) -> str:
        return "Go to the goal."

    def _reached(self, stance: Stance) -> bool:
        return self._distance() < REACH

    def _distance(self) -> float:
        if isinstance(self._simulator, MeshPlace):
            return super()._distance()
        path = self._simulator.grid.path(self._simulator.stance.point, self._goals)
        if path is None:
            return math.inf
        if len(self._goals) == 1:  # the way ends at the goal, not in the middle of its cell
            path = np.concatenate([path[: max(len(path) - 1, 1)], self._goal[None]])
        return length(path)

    def _known_goals(self) -> np.ndarray:
        return self._goal[None]

    def _at_hand(self) -> bool:
        return self._simulator.stance.pitch != 0 or self._distance() < _AT_HAND

    def _expert_action(self) -> int | None:
        if abs(pitch := self._simulator.stance.pitch) > 1e-3:
            return DOWN if pitch > 0 else UP
        move = follower.next_move(
            self._simulator,
            self._goal_cells(),
            step=self.body.step,
            turn=math.radians(self.body.turn),
            near=_EXPERT_STOPS,
        )
        return None if move is None else MOVES[move]

    def _final(self, stance: Stance) -> list[int]:
        return []
