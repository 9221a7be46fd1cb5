"""The embedded house simulator: a body with a camera in a scene whose things can be moved, opened and lit.

Motion is kinematic: a step happens or it is stopped, at once and exactly; nothing falls over. What actions
are called, and what their errors say, is for those who use it.

Frame: envs.house.scene's: metres, z up; yaw 0 looks along +y and grows counter-clockwise from above, pitch
grows upwards, both in radians.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from envs import gl  # noqa: F401  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.house.building.house_scene import house_scene
from envs.house.building.model import SOLID, build_model
from envs.house.building.states import States
from envs.house.building.structure import leaf_pose
from envs.house.ground import Ground, Stance
from envs.house.navigation import Footprint
from envs.house.objects.sizes import AssetSizes
from envs.house.rendering import Camera, Renderer, View, looking
from envs.house.scene import Scene, Thing
from envs.house.schema.records import House

HELD_AHEAD, HELD_BELOW = 0.5, 0.2
"""Where a hand is, from the eye, metres."""
_PAST = 1e-5
"""Metres beyond a side of a box from where a ray goes on."""


@dataclass
class ThingState:
    """How a movable thing is now."""

    position: np.ndarray  # (3,) centre of its box
    rotation: np.ndarray  # (3, 3)
    parent: str | None = None
    """What it stands on or in; None for the floor."""
    openness: float = 0.0
    on: bool = False
    flags: set[str] = field(default_factory=set)
    """Of broken, dirty, sliced, cooked, used_up, filled."""
    liquid: str | None = None


class HouseSimulator(Ground):
    """One scene and one body.

    Arguments:
        scene: what there is.
        body: the cylinder that moves.
        house: the house file that the scene was made from, for what only it knows (openness, lamps, rooms).
    """

    def __init__(self, scene: Scene, body: Footprint | None = None, house: House | None = None) -> None:
        super().__init__(scene, body or Footprint())
        self.house = house
        self.place: Mapping[str, int] = {thing.id: i for i, thing in enumerate(scene.things)}
        self.model = build_model(scene)
        self.data = mujoco.MjData(self.model)
        self._shows = States(self.model)
        self._solid_geoms = np.zeros(6, np.uint8)
        self._solid_geoms[SOLID] = 1
        self._hollow = [thing.hollow for thing in scene.things]
        self._body_id = {
            thing.id: mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, thing.id)
            for thing in scene.things
            if thing.movable
        }
        self._renderer: Renderer | None = None
        self.states = {
            thing.id: ThingState(np.array(thing.position), thing.rotation.copy())
            for thing in scene.things
            if thing.movable
        }
        self.held: str | None = None
        self.stance = Stance(0.0, 0.0)
        if house is not None:
            self._as_recorded(house)
        self._settled(self.states)
        mujoco.mj_camlight(self.model, self.data)
        self.obstacles.remember()
        self._recorded = copy.deepcopy(self.states), self.model.body_pos.copy(), self.model.body_quat.copy()

    @classmethod
    def of_house(
        cls, house: House, body: Footprint | None = None, sizes: AssetSizes | None = None
    ) -> "HouseSimulator":
        """Build a house file's house, its doors and things open as the file says."""
        return cls(house_scene(house, sizes), body, house)

    def restore(self) -> None:
        """Put everything back as the file says; the body stands nowhere yet."""
        states, self.model.body_pos[:], self.model.body_quat[:] = self._recorded
        changed = [id for id, state in self.states.items() if _shown(state) != _shown(states[id])]
        self.states, self.held, self.stance = copy.deepcopy(states), None, Stance(0.0, 0.0)
        for id in changed:
            self._show(id)
        self.obstacles.restore()
        mujoco.mj_kinematics(self.model, self.data)

    def _as_recorded(self, house: House) -> None:
        for door in house.doors:
            if door.id in self.states:
                self.states[door.id].openness = door.openness
        for record, parent in house.every_object():
            state = self.states[record.id]
            state.parent = parent.id if parent else None
            state.openness, state.on = record.openness or 0.0, bool(record.on)
            if record.dirty:
                state.flags.add("dirty")

    # the body

    def move(self, ahead: float, right: float = 0.0) -> int | None:
        """Go straight by metres ahead and to the right, wholly or not at all.

        Returns the place in the scene of what stands in the way, None if the body has moved. Where the floor
        ends without a wall, it ends as at one: the place is -1.
        """
        start = self.stance
        target = start.point + ahead * start.forward + right * np.array([start.forward[1], -start.forward[0]])
        stopped = self.way_blocked(start.point, target)
        if stopped is None:
            self._stand(replace(start, x=float(target[0]), y=float(target[1])))
        return stopped

    def slide(self, ahead: float, along: bool = True) -> bool:
        """Go straight by metres ahead; where something is in the way, up to it, and then `along` it.

        Returns whether the body was held up.
        """
        point, held = self.slid(self.stance, ahead, along)
        self._stand(replace(self.stance, x=float(point[0]), y=float(point[1])))
        return held

    def stand(self, stance: Stance) -> None:
        """Put the body somewhere, whatever is there."""
        self._stand(stance)

    def _stand(self, stance: Stance) -> None:
        self.stance = stance
        if self.held is not None:
            self._carry()

    # things

    def thing(self, id: str) -> Thing:
        return self.scene.things[self.place[id]]

    def box(self, id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the axis-aligned box around a thing as it is now: two corners (3,)."""
        return self.now(id).low_high

    def now(self, id: str) -> Thing:
        """Return a thing with the pose it has now."""
        thing = self.thing(id)
        if not thing.movable:
            return thing
        position, rotation = self._pose(id)
        return replace(thing, position=tuple(position), rotation=rotation)

    def _pose(self, id: str) -> tuple[np.ndarray, np.ndarray]:
        """Where a thing's body is: a door's leaf turns about its hinge."""
        thing, state = self.thing(id), self.states[id]
        if thing.type != "Doorway":
            return state.position, state.rotation
        centre, angle = leaf_pose(thing, state.openness)
        c, s = math.cos(angle), math.sin(angle)
        return np.array(centre), np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ thing.rotation

    def put(
        self,
        id: str,
        position: Iterable[float],
        rotation: np.ndarray | None = None,
        parent: str | None = None,
    ) -> None:
        """Set a thing down somewhere, with all that stands on it. It is in no hand afterwards."""
        state = self.states[id]
        moved = np.array(list(position), float)
        turn = np.eye(3) if rotation is None else rotation @ state.rotation.T
        for other in self.standing_on(id):
            child = self.states[other]
            child.position = moved + turn @ (child.position - state.position)
            child.rotation = turn @ child.rotation
        state.position, state.parent = moved, parent
        state.rotation = turn @ state.rotation
        if self.held == id:
            self.held = None
        self._settled([id, *self.standing_on(id)])

    def take(self, id: str) -> None:
        """Take a thing into the hand; it no longer stands in anybody's way."""
        self.held = id
        self.states[id].parent = None
        self._carry()

    def hold(self, position: np.ndarray, rotation: np.ndarray) -> None:
        """Move and turn what is in the hand; with the body's next motion it is before the eye again."""
        id = self.held
        self.put(id, position, rotation)
        self.held = id
        for each in (id, *self.standing_on(id)):
            self.obstacles.remove(self.place[each])

    def solid_boxes(self, without: Iterable[str] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Return the axis-aligned boxes around all that is solid now, but for some things: corners (K, 3)."""
        owners = self.model.geom_user[:, 0]
        chosen = (self.model.geom_group == SOLID) & ~np.isin(owners, [self.place[id] for id in without])
        centres, turns = self.data.geom_xpos[chosen], self.data.geom_xmat[chosen].reshape(-1, 3, 3)
        halves = np.einsum("gij,gj->gi", np.abs(turns), self.model.geom_size[chosen])
        return centres - halves, centres + halves

    def open(self, id: str, openness: float) -> None:
        """Open a thing from 0, closed, to 1."""
        self.states[id].openness = openness
        self._settled([id])

    def switch(self, id: str, on: bool) -> None:
        """Light a thing, or darken it."""
        self.states[id].on = on
        self._show(id)

    def standing_on(self, id: str) -> list[str]:
        """Return what stands on or in a thing, and on that, and so on."""
        found, layer = [], [id]
        while layer:
            layer = [other for other, state in self.states.items() if state.parent in layer]
            found += layer
        return found

    def _carry(self) -> None:
        id, axes = self.held, looking(self.stance.yaw, self.stance.pitch)
        state = self.states[id]
        hand = self.stance.position - HELD_AHEAD * axes[:, 2] - HELD_BELOW * axes[:, 1]
        turn = looking(self.stance.yaw, 0.0) @ looking(0.0, 0.0).T
        shift = hand - state.position
        for other in self.standing_on(id):
            self.states[other].position = self.states[other].position + shift
        state.position, state.rotation = hand, turn
        for each in (id, *self.standing_on(id)):
            self._write(each)
            self.obstacles.remove(self.place[each])
        mujoco.mj_kinematics(self.model, self.data)

    def _settled(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._settle(id)
        mujoco.mj_kinematics(self.model, self.data)

    def _settle(self, id: str) -> None:
        """Tell the model and the obstacles where a thing is."""
        self._write(id)
        self._show(id)
        thing = self.now(id)
        if thing.solid:
            self.obstacles.move(self.place[id], thing)

    def _write(self, id: str) -> None:
        position, rotation = self._pose(id)
        body = self._body_id[id]
        self.model.body_pos[body] = position
        mujoco.mju_mat2Quat(self.model.body_quat[body], np.ascontiguousarray(rotation).ravel())

    def _show(self, id: str) -> None:
        """Make it look as open and as lit as it is."""
        state, place = self.states[id], self.place[id]
        self._shows.show_open(place, state.openness)
        self._shows.show_on(place, state.on)

    # sight

    def ray(self, start: np.ndarray, end: np.ndarray) -> tuple[int | None, float]:
        """Return what a straight line from one point to another meets first, and how far from its start.

        Of what is hollow it meets what is drawn, of all else the boxes. What is in the hand does not count.
        (None, distance to the end) where nothing is met.
        """
        start, way = np.asarray(start, float), np.asarray(end, float) - start
        far = float(np.linalg.norm(way))
        if far < 1e-9:
            return None, 0.0
        way, shape, gone = way / far, (None, np.inf), 0.0
        while True:
            place, met = self._solid_met(start + gone * way, way)
            gone += met
            if gone >= min(far, shape[1]):
                return shape if shape[1] <= far else (None, far)
            if not self._hollow[place]:
                return place, gone
            shape = min(shape, (place, self._shape_met(place, start, way)), key=lambda each: each[1])
            gone += _PAST

    def _solid_met(self, start: np.ndarray, way: np.ndarray) -> tuple[int, float]:
        """The place of the first solid on a way, and how far it is; infinitely far where there is none."""
        geom = np.zeros(1, np.int32)
        excluded = self._body_id[self.held] if self.held is not None else -1
        met = mujoco.mj_ray(self.model, self.data, start, way, self._solid_geoms, 1, excluded, geom)
        return (int(self.model.geom_user[geom[0], 0]), float(met)) if met >= 0 else (-1, np.inf)

    def _shape_met(self, place: int, start: np.ndarray, way: np.ndarray) -> float:
        """How far what is drawn of a thing is on a way."""
        mine = (self.model.geom_user[:, 0] == place) & (self.model.geom_dataid >= 0)
        met = [
            mujoco.mj_rayMesh(self.model, self.data, int(geom), start, way) for geom in np.flatnonzero(mine)
        ]
        return min((each for each in met if each >= 0), default=np.inf)

    @property
    def renderer(self) -> Renderer:
        """What draws this house. Opened when first asked for, in the thread that asks."""
        if self._renderer is None:
            self._renderer = Renderer(self.model, self.data)
        return self._renderer

    def view(self, camera: Camera, **pictures: bool) -> View:
        """Draw what the body sees (`Renderer.view` says which pictures there are)."""
        axes = looking(self.stance.yaw, self.stance.pitch)
        return self.renderer.view(camera, self.stance.position, axes, **pictures)

    # state

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain data that pickles."""
        return copy.deepcopy({"stance": self.stance, "held": self.held, "states": self.states})

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a state of this house."""
        state = copy.deepcopy(dict(state))
        self.stance, self.states, self.held = state["stance"], state["states"], None
        self._settled(self.states)
        if state["held"] is not None:
            self.held = state["held"]
            self._carry()

    def close(self) -> None:
        """Give back what pictures cost; closing twice is fine."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _shown(state: ThingState) -> tuple[float, bool]:
    return state.openness, state.on
