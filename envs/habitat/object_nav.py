"""Object navigation by Habitat's rules: find an object of a category, come to where it can be seen, and stop.

Rules: Habitat's ObjectNav (Batra et al. 2020; Yadav et al. 2022): 0.25 m and 30° steps without sliding, a
camera 0.88 m above the floor, 500 steps; success when the agent stops within 0.1 m of way of a view point,
which is a place within 1 m of an object of the category from which it is in sight.
"""

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError, unknown_name
from envs.habitat.episodes import Episode, Goal, ViewPoint
from envs.habitat.place import MeshPlace
from envs.habitat.point_nav import MOVES
from envs.habitat.specs import rotation_of
from envs.habitat.task import HabitatEnv, flat, lifted
from envs.house.experts import follower
from envs.house.experts.route import route, search
from envs.house.sight import box_points, sees
from envs.house.simulator import Stance
from envs.house.tasks.body import STOP, Body, actions_of
from envs.house.tasks.starts import begin_away, ids_by_type
from envs.procthor.targets import TARGETS, words

REACH = 0.1
"""Metres of way from a view point within which stopping succeeds."""
_SEEN_FROM = 1.0
"""Metres along the floor from an object's box to its farthest view points."""
_EVERY = 2
"""View points lie in each so many cells both ways."""
_LEAST_WAY = 1.0
_EXPERT_STOPS = 0.08
_APPROACH = 1.0
"""Metres of way on a mesh before which the expert follows it; from there on it plans each step."""
_HABITATS = {"HousePlant": "plant", "Television": "tv_monitor"}


def category(target: str) -> str:
    """Return what episode files call a category.

    >>> category("Television"), category("AlarmClock")
    ('tv_monitor', 'alarm_clock')
    """
    return _HABITATS.get(target, words(target).replace(" ", "_"))


CATEGORIES: Mapping[str, str] = {category(target): target for target in TARGETS}
"""Habitat's name → the type of our things. The place is the number in `objectgoal`."""


class ObjectNavEnv(HabitatEnv):
    """`habitat/ObjectNav-v0`. Observations hold `objectgoal`, the category's number.

    Arguments:
        target: a category of `CATEGORIES`; None draws one of those in the episode's house.
        arguments: see HabitatEnv.
    """

    task = "ObjectNav"
    body = Body(radius=0.18, height=0.88, eye=0.88, turn=30.0, tilt=30.0, vertical_fov=79.0)
    sliding = False
    default_sensors = ("depth", "segmentation", "map", "route")
    _kept = (*HabitatEnv._kept, "_category", "_number", "_ids")

    def __init__(
        self, task: str, level: str | None = None, target: str | None = None, **arguments: Any
    ) -> None:
        super().__init__(task, level, **arguments)
        if target is not None and target not in CATEGORIES:
            raise unknown_name("target", target, CATEGORIES)
        if target is not None and self._episodes is not None:
            raise EnvError("an episode file says what to find: give either episodes or target")
        self._wanted = target
        self._category, self._number, self._ids = "", 0, ()
        self._seen_from: dict[tuple[int, tuple[str, ...]], dict[str, list[int]]] = {}

    def _goal_things(self) -> tuple[str, ...]:
        return self._ids

    def _more_spaces(self) -> dict[str, gymnasium.Space]:
        return {"objectgoal": gymnasium.spaces.Box(0, 2**31 - 1, (1,), np.int64)}

    def _more(self) -> dict[str, np.ndarray]:
        return {"objectgoal": np.array([self._number], np.int64)}

    def _move_in(self, house) -> None:
        if house != self._house:
            self._seen_from = {}
        super()._move_in(house)

    def _set(self, rng: np.random.Generator) -> bool:
        ids = ids_by_type(self._simulator)
        names = [self._wanted] if self._wanted else [str(name) for name in rng.permutation(list(CATEGORIES))]
        for name in names:
            mine = ids.get(CATEGORIES[name], ())
            cells = sorted({cell for seen_from in self._views(mine).values() for cell in seen_from})
            if begin_away(self._simulator, self.body, cells, lambda away: away >= _LEAST_WAY, rng):
                self._category, self._number, self._ids = name, list(CATEGORIES).index(name), mine
                self._goals = tuple(cells)
                return True
        return False

    def _views(self, ids: tuple[str, ...]) -> dict[str, list[int]]:
        """By object the cells near it from whose eye something of it is in sight."""
        grid = self._simulator.grid
        key = (self._simulator.obstacles.version, ids)
        if key not in self._seen_from:
            points = grid.points
            sparse = (np.round(points / grid.cell).astype(int) % _EVERY == 0).all(1) & (grid.components == 0)
            found: dict[str, list[int]] = {}
            for id in ids:
                low, high = self._simulator.box(id)
                gap = np.maximum(np.maximum(low[:2] - points, points - high[:2]), 0)
                near = np.flatnonzero(sparse & (np.hypot(gap[:, 0], gap[:, 1]) <= _SEEN_FROM))
                marks = box_points(self._simulator, id)[:11]
                found[id] = [int(cell) for cell in near if self._in_sight(id, points[cell], marks)]
            self._seen_from[key] = found
        return self._seen_from[key]

    def _in_sight(self, id: str, point: np.ndarray, marks: np.ndarray) -> bool:
        eye = np.array([*point, self.body.eye])
        low, high = self.body.pitch_limits
        half = self.body.vertical_fov / 2 - 3
        for mark in marks:
            flat = math.hypot(*(mark - eye)[:2])
            up = math.degrees(math.atan2(mark[2] - eye[2], flat))
            if low - half <= up <= high + half and sees(self._simulator, id, eye, mark):
                return True
        return False

    def _check_episode(self, episode: Episode) -> None:
        if episode.object_category is None:
            raise EnvError(
                f"{self._file}: episode {episode.episode_id} has no object_category: play it as PointNav"
            )
        if not any(goal.view_points for goal in episode.goals):
            raise EnvError(
                f"{self._file}: episode {episode.episode_id}: no goal has view_points, which the way to "
                "an object is measured to; write them to goals_by_category"
            )

    def _goal_points(self, episode: Episode) -> list[tuple[float, float, float]]:
        return [view.position for goal in episode.goals for view in goal.view_points]

    def _taken(self, episode: Episode) -> None:
        self._category, self._ids = episode.object_category, ()
        known = list(CATEGORIES).index(self._category) if self._category in CATEGORIES else 0
        self._number = known if episode.category_id is None else int(episode.category_id)

    def _goal_spots(self) -> list[np.ndarray]:
        if self._file_episode is not None:
            return [np.array(flat(goal.position)) for goal in self._file_episode.goals]
        return [np.mean(self._simulator.box(id), axis=0)[:2] for id in self._ids]

    def _told(self) -> dict[str, Any]:
        points, goals = self._simulator.grid.points, []
        for number, (id, cells) in enumerate(self._views(self._ids).items()):
            x, y, z = self._simulator.now(id).position
            views = []
            for cell in cells:
                dx, dy = x - points[cell][0], y - points[cell][1]
                rotation = tuple(rotation_of(math.atan2(-dx, dy)).tolist())
                views.append(ViewPoint(lifted(points[cell]), rotation))
            goals.append(Goal((float(x), float(z), -float(y)), None, number, id, tuple(views)))
        return {"goals": tuple(goals), "object_category": self._category, "category_id": self._number}

    def _prompt(self) -> str:
        target = CATEGORIES.get(self._category)
        return f"Find the {words(target) if target else self._category.replace('_', ' ')}."

    def _reached(self, stance: Stance) -> bool:
        return self._distance() < REACH

    def _planned(self) -> list[int]:
        """All actions to the end, found by a search over the body's own steps."""
        place = self._simulator
        turns = round(360 / self.body.turn)
        if isinstance(place, MeshPlace):
            spots = np.array([(x, -z) for x, _, z in self._goals])

            def left(points: np.ndarray) -> np.ndarray:
                return np.linalg.norm(spots - points[:, None], axis=-1).min(1)

            found = search(
                place.stance,
                left,
                place.free,
                lambda point: (
                    left(point[None])[0] < _EXPERT_STOPS
                    and place.geodesic(point, self._goals) < _EXPERT_STOPS
                ),
                step=self.body.step,
                turns=turns,
                same_place=0.05,
                most_places=1_000,
            )
            return [] if found is None else [*actions_of(found.headings, turns), STOP]
        grid, goals = place.grid, list(self._goals)
        field = grid.field(goals)

        def reached(point: np.ndarray) -> bool:
            cell = grid.snap(point, 0.2)
            if cell is None or field.distances[cell] > 3 * REACH:
                return False
            return grid.geodesic(point, goals) < _EXPERT_STOPS

        found = route(place, place.stance, goals, reached, step=self.body.step, turns=turns)
        return [] if found is None else [*actions_of(found.headings, turns), STOP]

    def _expert_action(self) -> int | None:
        if not isinstance(self._simulator, MeshPlace):
            return super()._expert_action()
        if self._plan or self._distance() <= _APPROACH:
            planned = super()._expert_action()
            if planned is not None:
                return planned
        turn = math.radians(self.body.turn)
        move = follower.next_move(
            self._simulator, self._goal_cells(), step=self.body.step, turn=turn, near=_EXPERT_STOPS
        )
        return None if move is None else MOVES[move]

    def _final(self, stance: Stance) -> list[int]:
        return []

    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "target": self._category}
