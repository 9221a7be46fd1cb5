"""Pick and place: bring an object of a category to a receptacle of a category, and stop.

Rules: AI2-THOR's of handling within 1.5 m; ObjectNav's steps and budget. It succeeds when the agent stops
while some object of the category stands on, or in, some receptacle of the category and not in the hand. The
shortest way, for SPL and for the expert, leads from the start to where an object can be pointed at, and from
there to where a receptacle with room for it can be.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs.errors import EnvError, unknown_name
from envs.house.experts.pointing import Lens, aim, in_reach
from envs.house.navigation.grid import length
from envs.house.objects import object_types
from envs.house.schema import House
from envs.house.sight import distance
from envs.house.simulator import Stance
from envs.house.tasks.body import STOP
from envs.house.tasks.household import OPEN, PICK, PUT, Act, HouseholdEnv, moves_of
from envs.house.tasks.starts import begin_away
from envs.house.thor.objects import kind, opens
from envs.house.thor.placing import first_free, spots
from envs.procthor.targets import words

_NEAR = 1.35
"""How near the expert goes to what it handles, metres; the rules let it reach a little further."""
_LEAST = 0.05
"""Metres that an object has to measure along its second side: what is smaller is a pixel wide."""
_PLACES = 40
"""Of one thing: about how many places it can be handled from are looked for."""
_APART = 0.5
"""Metres between the start and the nearest place where there is something to do."""
_MOST_FOUND = 2_000

OBJECTS = tuple(
    name
    for name, each in object_types().items()
    if each.moves == "carried" and sorted(each.size)[1] >= _LEAST
)
"""What an instruction may be about: what a hand can carry and an eye can see."""
RECEPTACLES = tuple(name for name, each in object_types().items() if each.holds and each.moves != "carried")
"""Where it may be brought."""


class PickAndPlaceEnv(HouseholdEnv):
    """`procthor/PickAndPlace-v0`.

    Arguments:
        target: a category of `OBJECTS`; None draws one.
        receptacle: a category of `RECEPTACLES`; None draws one. Both are in the episode's house, the object
            fits, and no object of the category is there yet.
        arguments: see NavigationEnv.
    """

    task = "PickAndPlace"
    _chosen_by = ("backend",)
    _kept = (*HouseholdEnv._kept, "_target", "_receptacle", "_picked")

    def __init__(
        self,
        task: str,
        level: str | None = None,
        target: str | None = None,
        receptacle: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(task, level, **arguments)
        for what, name, names in (("target", target, OBJECTS), ("receptacle", receptacle, RECEPTACLES)):
            if name is not None and name not in names:
                raise unknown_name(what, name, names)
        self._wanted = target, receptacle
        self._target = self._receptacle = ""
        self._picked = False
        self._found: dict[Any, Any] = {}
        """What was found out about the house as it stands: places, rooms on receptacles, ways."""
        body = self.body
        limits = tuple(math.radians(limit) for limit in body.pitch_limits)
        self._lens = Lens(
            *(math.radians(angle) for angle in (body.vertical_fov, body.turn, body.tilt)), limits
        )

    # the episode

    def _move_in(self, house: House) -> None:
        super()._move_in(house)
        self._found = {}
        self._types = {id: self._simulator.thing(id).type for id in self._simulator.states}

    def _set(self, rng: np.random.Generator) -> bool:
        (target, receptacle), pitch = self._wanted, -math.radians(self.body.tilt)
        here = set(self._types.values())
        targets = [target] if target else [str(each) for each in rng.permutation(OBJECTS)]
        receptacles = [receptacle] if receptacle else [str(each) for each in rng.permutation(RECEPTACLES)]
        self._picked = False
        for self._target in (each for each in targets if each in here):
            for self._receptacle in (each for each in receptacles if each in here):
                if self._placed():
                    continue
                cells, _ = self._to_object()
                if begin_away(self._simulator, self.body, cells, lambda away: away > _APART, rng, pitch):
                    return True
        return False

    def _prompt(self) -> str:
        where = "on" if "top" in object_types()[self._receptacle].holds else "in"
        return f"Put the {words(self._target)} {where} the {words(self._receptacle)}."

    def _reached(self, stance: Stance) -> bool:
        return self._placed()

    def _placed(self) -> bool:
        """Whether an object of the category is on or in a receptacle of the category."""
        states, types = self._simulator.states, self._types
        return any(
            id != self._simulator.held and types.get(states[id].parent) == self._receptacle
            for id in self._ids(self._target)
        )

    def _ids(self, type: str) -> list[str]:
        return [id for id, each in self._types.items() if each == type]

    def _do(self, act: Act) -> None:
        super()._do(act)
        held = self._simulator.held
        self._picked = self._picked or (held is not None and self._types[held] == self._target)

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        info["metrics"] |= {"picked": float(self._picked), "placed": float(self._placed())}
        return {**info, "target": self._target, "receptacle": self._receptacle}

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        if "_receptacle" not in state["episode"]:
            raise EnvError(f"a state of another task than {self.task_name!r}")
        return super().set_state(state)

    # ways

    def _distance(self) -> float:
        """How far there still is to go, first to an object and then to a receptacle, metres."""
        if self._placed():
            return 0.0
        cells, further = self._next()
        path = self._simulator.grid.path(self._simulator.stance.point, cells, further=further)
        if path is None:
            return math.inf
        after = 0.0 if further is None else self._carried(path[-1], cells)
        return length(path) + after

    def _carried(self, point: np.ndarray, cells: Sequence[int]) -> float:
        """The way from where an object is picked up to a receptacle."""
        onto = self._cells(self._rooms_of_all())
        return self._simulator.grid.geodesic(point, onto)

    def _goal_cells(self) -> list[int]:
        return self._next()[0]

    def _goal_spots(self) -> list[np.ndarray]:
        """The objects and the receptacles that will do."""
        ids = [*self._ids(self._target), *self._ids(self._receptacle)]
        return [np.mean(self._simulator.box(id), axis=0)[:2] for id in ids]

    def _next(self) -> tuple[list[int], list[float] | None]:
        """The cells where there is something to do next, and how far it is from each to the end."""
        held = self._simulator.held
        if held is not None and self._types[held] == self._target:
            return self._cells(self._rooms(held)), None
        return self._to_object()

    def _to_object(self) -> tuple[list[int], list[float]]:
        """The cells from which an object of the category can be taken to where it belongs."""
        return self._remembered((self._target, self._receptacle), self._searched)

    def _searched(self) -> tuple[list[int], list[float]]:
        cells = self._cells([id for id in self._ids(self._target) if self._rooms(id)])
        onto = self._cells(self._rooms_of_all()) if cells else []
        further = self._simulator.grid.field(onto).distances[cells] if cells else np.zeros(0)
        near = np.isfinite(further)
        return np.array(cells, int)[near].tolist(), further[near].tolist()

    def _rooms_of_all(self) -> list[str]:
        return list(dict.fromkeys(onto for id in self._ids(self._target) for onto in self._rooms(id)))

    def _rooms(self, id: str) -> list[str]:
        """The receptacles of the category that have room for an object."""
        return [onto for onto in self._ids(self._receptacle) if self._has_room(id, onto)]

    def _has_room(self, id: str, onto: str) -> bool:
        def look() -> bool:
            thing, below = self._simulator.now(id), self._simulator.thing(onto)
            inside = "inside" in kind(below).holds and not ("top" in kind(below).holds and self._closed(onto))
            places = spots(self._agent, thing, below, inside)
            return bool(places) and first_free(self._agent, thing, places, onto) is not None

        return self._remembered(("room", id, onto), look)

    def _closed(self, id: str) -> bool:
        thing = self._simulator.thing(id)
        return opens(self._agent, thing) and not self._simulator.states[id].openness

    def _cells(self, ids: Sequence[str]) -> list[int]:
        """Cells from which one of some things can be pointed at within reach."""
        return sorted({cell for id in ids for cell in self._around(id)})

    def _around(self, id: str) -> list[int]:
        return self._remembered(("around", id), lambda: self._looked_around(id))

    def _looked_around(self, id: str) -> list[int]:
        grid = self._simulator.grid
        low, high = self._simulator.box(id)
        gap = np.maximum(np.maximum(low[:2] - grid.points, grid.points - high[:2]), 0)
        main = (grid.components == 0) | (self._types[id] == "Doorway")
        near = np.flatnonzero((np.hypot(gap[:, 0], gap[:, 1]) <= _NEAR) & main)
        return [
            int(cell)
            for cell in near[:: max(1, len(near) // _PLACES)]
            if self._within_reach(id, grid.points[cell])
        ]

    def _within_reach(self, id: str, point: np.ndarray) -> bool:
        stance = Stance(float(point[0]), float(point[1]), eye=self.body.eye)
        return in_reach(self._simulator, id, stance, _NEAR, self._lens)

    def _remembered(self, what: Any, find: Any) -> Any:
        if len(self._found) > _MOST_FOUND:
            self._found = {}
        key = self._simulator.obstacles.version, what
        if key not in self._found:
            self._found[key] = find()
        return self._found[key]

    # the expert

    def _planned(self) -> list[Act]:
        """The actions up to the next thing that is handled; a door where there is no other way."""
        if self._placed():
            return [Act(STOP)]
        return self._on_the_way() or self._towards(self._shut_doors(), OPEN)

    def _on_the_way(self) -> list[Act]:
        held = self._simulator.held
        if held is None:
            return self._towards(self._chosen(self._ids(self._target)), PICK)
        if self._types[held] == self._target:
            return self._towards(self._rooms(held), PUT)
        return self._towards(self._elsewhere(held), PUT)

    def _chosen(self, ids: Sequence[str]) -> list[str]:
        """The object that the shortest way leads to."""
        cells, further = self._to_object()
        path = self._simulator.grid.path(self._simulator.stance.point, cells, further=further)
        if path is None:
            return []
        end = self._simulator.grid.index(path[-1])
        return [id for id in ids if end in self._around(id)]

    def _elsewhere(self, held: str) -> list[str]:
        """Where to put what nobody asked for: what is open, near and has room."""
        stance = self._simulator.stance
        near = sorted(
            (id for id, type in self._types.items() if type in RECEPTACLES and not self._shut(id)),
            key=lambda id: distance(self._simulator, id, stance),
        )
        return [id for id in near[:8] if self._has_room(held, id)]

    def _shut_doors(self) -> list[str]:
        return [id for id in self._ids("Doorway") if self._closed(id)]

    def _shut(self, id: str) -> bool:
        """Whether a receptacle takes nothing until it is opened."""
        return "top" not in kind(self._simulator.thing(id)).holds and self._closed(id)

    def _towards(self, ids: Sequence[str], number: int) -> list[Act]:
        """Go to where one of some things can be pointed at, point at it, and do that with it."""
        way = self._way(self._cells(ids), lambda point: any(self._within_reach(id, point) for id in ids))
        if way is None:
            return []
        moves, end = way
        return [*map(Act, moves), *self._pointed(end, ids, number)]

    def _pointed(self, stance: Stance, ids: Sequence[str], number: int) -> list[Act]:
        reached = [id for id in ids if self._within_reach(id, stance.point)]
        aims = [(found, id) for id in reached if (found := aim(self._simulator, id, stance, self._lens))]
        if not aims:
            return []
        found, id = min(aims, key=lambda pair: abs(pair[0].turns) + abs(pair[0].tilts))
        opening = [Act(OPEN, found.point)] if number == PUT and self._shut(id) else []
        return [*moves_of(found), *opening, Act(number, found.point)]
