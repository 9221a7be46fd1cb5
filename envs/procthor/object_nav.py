"""Object navigation: find an object of a category, come within a metre, have it in view, and stop.

Rules: RoboTHOR's challenge and ProcTHOR (Deitke et al. 2022): 0.25 m and 30° steps, 500 steps, success when
the agent stops with some object of the category visible within 1 m; SPL with the shortest way to a place
from which one is.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from envs.errors import EnvError, unknown_name
from envs.house.sight import box_points, distance, distances, sees, visible
from envs.house.simulator import Stance
from envs.house.tasks.body import AHEAD, DOWN, LEFT, RIGHT, UP
from envs.house.tasks.navigation import NavigationEnv
from envs.house.tasks.starts import begin_away, ids_by_type
from envs.procthor.targets import TARGETS, words

REACH = 1.0
"""Metres along the floor within which the target counts as seen."""
_NEAR = 0.9
"""How near the expert goes, so that rounding does not decide."""


class ObjectNavEnv(NavigationEnv):
    """`procthor/ObjectNav-v0`. `target` plays one category only.

    Arguments:
        target: a category of `TARGETS`; None draws one of those that can be found in the episode's house.
        arguments: see NavigationEnv.
    """

    task = "ObjectNav"
    default_sensors = ("depth", "segmentation", "map", "route")
    _chosen_by = ("backend",)
    _kept = (*NavigationEnv._kept, "_target", "_ids")

    def __init__(
        self, task: str, level: str | None = None, target: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(task, level, **arguments)
        if target is not None and target not in TARGETS:
            raise unknown_name("target", target, TARGETS)
        self._wanted = target
        self._target, self._ids = "", ()
        self._cells: dict[tuple[int, tuple[str, ...]], list[int]] = {}

    def _move_in(self, house) -> None:
        if house != self._house:
            self._cells = {}
        super()._move_in(house)

    def _set(self, rng: np.random.Generator) -> bool:
        ids, pitch = ids_by_type(self._simulator), -math.radians(self.body.tilt)
        kinds = [self._wanted] if self._wanted else [str(kind) for kind in rng.permutation(TARGETS)]
        for self._target in kinds:
            self._ids = ids.get(self._target, ())
            cells = self._goal_cells()
            if begin_away(self._simulator, self.body, cells, lambda away: away > REACH, rng, pitch):
                return True
        return False

    def _prompt(self) -> str:
        return f"Find the {words(self._target)}."

    def _reached(self, stance: Stance) -> bool:
        lens = {"reach": REACH, "vertical_fov": self.body.vertical_fov}
        return any(visible(self._simulator, id, stance, **lens) for id in self._ids)

    def _goal_cells(self) -> list[int]:
        """Cells near an object of the category, from whose eye something of it is in sight."""
        grid = self._simulator.grid
        key = (self._simulator.obstacles.version, self._ids)
        if key not in self._cells:
            found: set[int] = set()
            for id in self._ids:
                low, high = self._simulator.box(id)
                points = grid.points
                gap = np.maximum(np.maximum(low[:2] - points, points - high[:2]), 0)
                near = np.flatnonzero((np.hypot(gap[:, 0], gap[:, 1]) <= _NEAR) & (grid.components == 0))
                near = near[:: max(1, len(near) // 60)]
                near = near[distances(self._simulator, id, points[near]) <= _NEAR]
                marks = box_points(self._simulator, id)[:11]
                for cell in near:
                    eye = np.array([*points[cell], self.body.eye])
                    if any(
                        sees(self._simulator, id, eye, mark) and self._in_tilt(eye, mark) for mark in marks
                    ):
                        found.add(int(cell))
            self._cells[key] = sorted(found)
        return self._cells[key]

    def _goal_things(self) -> tuple[str, ...]:
        return self._ids

    def _goal_spots(self) -> list[np.ndarray]:
        return [np.mean(self._simulator.box(id), axis=0)[:2] for id in self._ids]

    def _in_tilt(self, eye: np.ndarray, point: np.ndarray) -> bool:
        """Whether some tilt of the head brings a point into view."""
        flat = math.hypot(*(point - eye)[:2])
        angle = math.degrees(math.atan2(point[2] - eye[2], flat))
        low, high = self.body.pitch_limits
        return low - self.body.vertical_fov / 2 + 3 <= angle <= high + self.body.vertical_fov / 2 - 3

    def _final(self, stance: Stance) -> list[int]:
        """Turn to an object of the category and tilt the head until it is in view. Where none comes into
        view, for the place is a little beside the cell that was meant, from a step away.
        """
        found = self._looks(stance)
        if found is not None:
            return found
        turns = self._turns
        for k in sorted(range(-(turns // 2), turns - turns // 2), key=abs):
            turned = replace(stance, yaw=stance.yaw + k * math.radians(self.body.turn))
            point = stance.point + self.body.step * turned.forward
            if self._simulator.way_blocked(stance.point, point) is None:
                found = self._looks(replace(turned, x=float(point[0]), y=float(point[1])))
                if found is not None:
                    return [LEFT if k > 0 else RIGHT] * abs(k) + [AHEAD, *found]
        return []

    @property
    def _turns(self) -> int:
        return round(360 / self.body.turn)

    def _looks(self, stance: Stance) -> list[int] | None:
        """The fewest turns and tilts at a place after which an object of the category is visible."""
        near = sorted(self._ids, key=lambda id: distance(self._simulator, id, stance))
        turn, tilt = math.radians(self.body.turn), math.radians(self.body.tilt)
        low, high = (math.radians(limit) for limit in self.body.pitch_limits)
        lens = {"reach": REACH, "vertical_fov": self.body.vertical_fov}
        best: list[int] | None = None
        for id in near[:3]:
            for k in range(-(self._turns // 2), self._turns // 2 + 1):
                for up in range(-3, 4):
                    pitch = stance.pitch + up * tilt
                    cost = abs(k) + abs(up)
                    if not low - 1e-6 <= pitch <= high + 1e-6 or (best is not None and cost >= len(best)):
                        continue
                    looking = replace(stance, yaw=stance.yaw + k * turn, pitch=pitch)
                    if visible(self._simulator, id, looking, **lens):
                        best = [LEFT if k > 0 else RIGHT] * abs(k) + [UP if up > 0 else DOWN] * abs(up)
        return best

    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "target": self._target}

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if "_ids" not in state["episode"]:
            raise EnvError(f"a state of another task than {self.task_name!r}")
        return super().set_state(state)
