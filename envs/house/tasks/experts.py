"""Who shows a navigation environment's way: the informed expert, and the explorer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from envs.house.experts import explorer
from envs.house.experts.route import route
from envs.house.ground import Stance, wrapped
from envs.house.simulator import HouseSimulator
from envs.house.tasks.body import STOP, Body, actions_of
from envs.house.tasks.egomap import EgoMap
from envs.house.tasks.way import Way

_AT_HAND = 1.2
"""Metres to a thing that was found from which on the explorer needs no map."""


class Experts:
    """What `NavigationEnv` knows of experts; it has the members that are only declared here."""

    body: Body
    _simulator: HouseSimulator
    _map: EgoMap
    _followed: Way | None
    _plan: list[Any] | None
    _goal_cells: Callable[[], list[int]]
    _final: Callable[[Stance], list[int]]

    def _known_goals(self) -> np.ndarray | None:
        """Points (K, 2) that the body knows to be goals: told, or here seen; None for none."""
        found = np.argwhere(self._map.found)
        return self._map.centre(found) if len(found) else None

    def _at_hand(self) -> bool:
        """Whether a goal that the body knows is so near that it needs no map."""
        goals = self._known_goals()
        if goals is None:
            return False
        return bool(np.linalg.norm(goals - self._simulator.stance.point, axis=1).min() < _AT_HAND)

    def _explored(self) -> int | None:
        """What the explorer does; None where the informed expert takes over: at hand, or nowhere to go."""
        if self._at_hand() or self._followed is None:
            return None
        return explorer.next_action(self._map, self._simulator.stance, self.body, self._followed)

    def _expert_action(self) -> Any:
        if not self._plan:
            self._plan = self._planned()
        return self._plan[0] if self._plan else None

    def _planned(self) -> list[Any]:
        """All actions from here to the end, stopping included; empty where there is no way."""
        cells, grid = self._goal_cells(), self._simulator.grid
        goals = set(cells)
        found = self._way(cells, lambda point: grid.index(point) in goals)
        if found is None:
            return []
        moves, end = found
        return [*moves, *self._final(end), STOP]

    def _way(
        self, cells: Sequence[int], reached: Callable[[np.ndarray], bool]
    ) -> tuple[list[int], Stance] | None:
        """The moves to a place that is `reached`, led by cells that are, and how the body stands then; None
        where there is no way.
        """
        start, turns = self._simulator.stance, round(360 / self.body.turn)
        found = route(self._simulator, start, cells, reached, step=self.body.step, turns=turns)
        if found is None:
            return None
        heading = found.headings[-1] if found.headings else 0
        yaw = wrapped(start.yaw + heading * math.radians(self.body.turn))
        end = replace(start, x=found.end[0], y=found.end[1], yaw=yaw)
        return actions_of(found.headings, turns), end
