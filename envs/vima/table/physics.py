"""MuJoCo models of what can collide on the table, and the one way to let them come to rest.

Unusual: a model holds collision shapes only (convex hulls; nothing is drawn from it), is compiled once per
combination of bodies and kept; fixed bodies are moved by their mocap pose. Its data is reset before every
use, so that what happens depends on the poses alone and never on earlier episodes. Refuses to know tasks,
textures and grippers' programmes.

Source: VIMA-Bench's measured collision shapes, masses, friction and resting heights.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from envs import gl  # noqa: F401  isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.errors import EnvError
from envs.poses import Vector, unit_from_wxyz, units_from_wxyz, wxyz, yaw_quaternion
from envs.vima.things.objects import OBJECTS
from envs.vima.things.outlines import CONTAINER_WALL, PAN_GRIP, convex_hull, outline

TIME_STEP = 0.004
TABLE_HEIGHT = -0.001
STATIC_SPEED = 5e-3
"""Linear speed (m/s) below which a body counts as at rest."""
MAX_SETTLE_STEPS = 1000
_MIN_SETTLE_STEPS, _CHECK_STEPS = 10, 5
_BOUND_ERROR = 1e-3
"""How far a computed distance (metres) may be below what bounding spheres say, with much to spare."""
_UNSTABLE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)
_SMALL_BLOCK_MASS = (
    0.02  # the benchmark's 1 g is too light for a soft-contact solver; pushing is quasi-static
)

PLATE_SIZE = (0.005, 0.05, 0.11)
"""Thickness, width and height of the spatula's plate in metres."""


@dataclass(frozen=True)
class BodyShape:
    """What decides a body's collision shape."""

    name: str
    size: Vector
    scale: Vector
    fixed: bool


@functools.lru_cache(maxsize=256)
def _hull_vertices(name: str, size: Vector, scale: Vector) -> np.ndarray:
    """Corners (n, 3) of the convex collision hull of an extruded shape or of the pan, in its own frame."""
    flat = convex_hull(np.concatenate(outline(name, size))) * np.asarray(scale[:2])
    if name == "pan":
        disc = np.array([(math.cos(a), math.sin(a)) for a in np.arange(16) * math.pi / 8])
        rings = [np.column_stack([disc * r, np.full(16, z)]) for r, z in ((0.066, -0.015), (0.085, 0.017))]
        handle = np.array([(x, y, z) for x, y in PAN_GRIP for z in (0.007, 0.028)])
        return np.concatenate([*rings, handle])
    low, high = TABLE_HEIGHT, OBJECTS[name].height * scale[2] + 0.0005
    return np.concatenate([np.column_stack([flat, np.full(len(flat), z)]) for z in (low, high)])


def _base_boxes(name: str, size: Vector) -> list[tuple[Vector, Vector, float]] | None:
    """Collision boxes of a base as (centre, half extents, yaw); None for the pan, empty for flat drawings."""
    match name:
        case "container":
            x, y, z = size[0] / 2, size[1] / 2, size[2] / 1.1 / 2
            wall, low = CONTAINER_WALL / 2, -0.025
            sides = [((side * x, 0.0, low + z), (wall, y + wall, z), 0.0) for side in (1, -1)]
            ends = [((0.0, side * y, low + z), (x + wall, wall, z), 0.0) for side in (1, -1)]
            return [((0.0, 0.0, low + 0.0022), (x, y, 0.002), 0.0), *sides, *ends]
        case "frame":
            return [((0.0, 0.0, 0.00075), (0.09, 0.09, 0.00175), 0.0)]
        case "square":
            return [((0.0, 0.0, 0.0), (0.1, 0.02, 0.001), 0.0)]
        case "pallet":
            return [((0.0, 0.0, 0.0), (0.105, 0.0875, 0.0145), 0.0)]
        case "bowl":
            walls = 16
            boxes: list[tuple[Vector, Vector, float]] = [
                ((0.0, 0.0, 0.006), (0.06, 0.06, 0.006), yaw) for yaw in (0.0, math.pi / 4)
            ]
            half_width = 0.104 * math.tan(math.pi / walls)
            for i in range(walls):
                yaw = 2 * math.pi * i / walls
                boxes.append(
                    ((0.098 * math.cos(yaw), 0.098 * math.sin(yaw), 0.0285), (0.006, half_width, 0.0285), yaw)
                )
            return boxes
        case "pan":
            return None
        case _:
            return []


class Physics:
    """One compiled combination of bodies, the table and the spatula's plate."""

    def __init__(self, shapes: tuple[BodyShape, ...]) -> None:
        self.shapes = shapes
        spec = mujoco.MjSpec()
        option = spec.option
        option.timestep = TIME_STEP
        option.gravity = (0.0, 0.0, -9.8)
        option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        option.impratio = 10.0
        option.tolerance = 1e-5
        option.enableflags |= (
            mujoco.mjtEnableBit.mjENBL_SLEEP
        )  # bodies at rest cost nothing until they are touched
        option.sleep_tolerance = 1e-3
        spec.worldbody.add_geom(
            name="table",
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            size=(2, 2, 0.1),
            pos=(0.5, 0, TABLE_HEIGHT),
            friction=(1, 0.005, 1e-4),
        )
        spec.compiler.usethread = False  # to start threads takes longer than what they would do
        files: dict[str, bytes] = {}
        for index, shape in enumerate(shapes):
            _add_body(spec, index, shape, files)
        spec.assets = files
        _add_plate(spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._index(len(shapes))

    def _index(self, count: int) -> None:
        """Note where each body's numbers lie: free joints come first and in order, the plate's four joints
        last.
        """
        model = self.model
        self.free = [i for i in range(count) if not self.shapes[i].fixed]
        self._qpos = {body: 7 * n for n, body in enumerate(self.free)}
        self._qvel = {body: 6 * n for n, body in enumerate(self.free)}
        self._mocap = {i: int(model.body_mocapid[i + 1]) for i in range(count) if self.shapes[i].fixed}
        self.geoms_of = {
            i: list(range(model.body_geomadr[i + 1], model.body_geomadr[i + 1] + model.body_geomnum[i + 1]))
            for i in range(count)
        }
        self.body_of_geom = {geom: body for body, geoms in self.geoms_of.items() for geom in geoms}
        self.table_geom = 0
        self._others: dict[int, list[int]] = {}
        self._plate_geom = model.ngeom - 1
        self._plate_qpos, self._plate_qvel = model.nq - 4, model.nv - 4

    # poses: position (3,), quaternion xyzw (4,)

    def load(self, poses: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Forget everything and put every body at its pose, at rest, with the plate out of the way."""
        data = self.data
        mujoco.mj_resetData(self.model, data)
        for i, (position, quaternion) in enumerate(poses):
            if i in self._mocap:
                data.mocap_pos[self._mocap[i]] = position
                data.mocap_quat[self._mocap[i]] = wxyz(quaternion)
            else:
                at = self._qpos[i]
                data.qpos[at : at + 3] = position
                data.qpos[at + 3 : at + 7] = wxyz(quaternion)
        self.plate_off()

    def pose(self, body: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a free body's position and unit quaternion xyzw."""
        at = self._qpos[body]
        return self.data.qpos[at : at + 3].copy(), unit_from_wxyz(self.data.qpos[at + 3 : at + 7])

    def free_qpos(self) -> np.ndarray:
        """Return where the free bodies are, in order: (n, 7), position and quaternion wxyz as they are."""
        return self.data.qpos[: 7 * len(self.free)].reshape(-1, 7).copy()

    def free_poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the free bodies' positions (n, 3) and unit quaternions xyzw (n, 4), in order."""
        return split_qpos(self.free_qpos())

    def place(self, body: int, position: np.ndarray, quaternion: np.ndarray) -> None:
        """Put a free body somewhere, at rest."""
        at, speed = self._qpos[body], self._qvel[body]
        self.data.qpos[at : at + 3] = position
        self.data.qpos[at + 3 : at + 7] = wxyz(quaternion)
        self.data.qvel[speed : speed + 6] = 0.0

    def is_static(self) -> bool:
        speeds = self.data.qvel
        return all(
            float(np.dot(speeds[a : a + 3], speeds[a : a + 3])) < STATIC_SPEED**2
            and float(np.dot(speeds[a + 3 : a + 6], speeds[a + 3 : a + 6])) < 0.01
            for a in self._qvel.values()
        )

    def separate(self) -> None:
        """Move free bodies that were born inside each other apart, sideways, until they only touch."""
        for _ in range(60):
            mujoco.mj_kinematics(self.model, self.data)
            moved = False
            for n, first in enumerate(self.free):
                for second in self.free[n + 1 :]:
                    gap = self._gap(first, self.geoms_of[second], 0.01)
                    if gap < -1e-4:
                        self._push_apart(first, second, -gap)
                        moved = True
            if not moved:
                return

    def _push_apart(self, first: int, second: int, depth: float) -> None:
        (p, p_quaternion), (q, q_quaternion) = self.pose(first), self.pose(second)
        away = q[:2] - p[:2]
        norm = float(np.hypot(*away))
        away = np.array([*(away / norm if norm > 1e-6 else (1.0, 0.0)), 0.0])
        step = (0.5 * depth + 1e-4) * away
        self.place(first, p - step, p_quaternion)
        self.place(second, q + step, q_quaternion)

    def settle(self, on_step: Callable[[], None] | None = None, held: int | None = None) -> int:
        """Step until every body rests; a held body stays where it is. Returns the number of steps.

        Raises EnvError where the solver gave up, after which MuJoCo has put every body to the origin.
        """
        still = None if held is None else self.pose(held)
        for steps in range(_CHECK_STEPS, MAX_SETTLE_STEPS + 1, _CHECK_STEPS):
            if still is None and on_step is None:
                mujoco.mj_step(self.model, self.data, nstep=_CHECK_STEPS)
            else:
                for _ in range(_CHECK_STEPS):
                    mujoco.mj_step(self.model, self.data)
                    if held is not None and still is not None:
                        self.place(held, *still)
                    if on_step is not None:
                        on_step()
            if steps >= _MIN_SETTLE_STEPS and self.is_static():
                break
        if any(self.data.warning[sign].number for sign in _UNSTABLE):
            raise EnvError(
                "the physics of this table is unstable: its objects are too deep in each other, or of sizes "
                "that do not go together; reset to another scene"
            )
        return steps

    def plate_off(self) -> None:
        """Take the plate out of the world."""
        self.model.geom_contype[self._plate_geom] = self.model.geom_conaffinity[self._plate_geom] = 0
        self.data.qvel[self._plate_qvel : self._plate_qvel + 4] = 0.0
        self.data.qpos[self._plate_qpos : self._plate_qpos + 4] = (0.0, 0.0, 1.0, 0.0)

    def plate_at(
        self, x: float, y: float, z: float, yaw: float, velocity: tuple[float, float, float]
    ) -> None:
        """Put the plate's centre somewhere, turned by yaw (its thin side along local x), moving at a
        constant velocity.
        """
        self.model.geom_contype[self._plate_geom] = self.model.geom_conaffinity[self._plate_geom] = 1
        self.data.qpos[self._plate_qpos : self._plate_qpos + 4] = (x, y, z, yaw)
        self.data.qvel[self._plate_qvel : self._plate_qvel + 3] = velocity
        self.data.qvel[self._plate_qvel + 3] = 0.0

    def plate_position(self) -> np.ndarray:
        return self.data.qpos[self._plate_qpos : self._plate_qpos + 3].copy()

    def plate_gap(self, limit: float) -> float:
        """Return the distance (metres, at most `limit`) between the plate and the nearest free body."""
        best = limit
        segment = np.empty(6)
        mujoco.mj_kinematics(self.model, self.data)
        for body in self.free:
            for geom in self.geoms_of[body]:
                best = min(
                    best, mujoco.mj_geomDistance(self.model, self.data, self._plate_geom, geom, best, segment)
                )
        return best

    def distance_below(self, body: int, limit: float) -> float:
        """Return the smallest distance (metres, at most `limit`) between a body and everything else but the
        plate.
        """
        mujoco.mj_kinematics(self.model, self.data)
        if body not in self._others:
            owners = self.body_of_geom.items()
            self._others[body] = [self.table_geom, *(geom for geom, owner in owners if owner != body)]
        return self._gap(body, self._others[body], limit)

    def touches(self, body: int, other: int, distance: float) -> bool:
        """Whether two bodies are nearer to each other than this, in metres; after `mj_kinematics`."""
        return self._gap(body, self.geoms_of[other], 2 * distance) < distance

    def _gap(self, body: int, geoms: Sequence[int], limit: float) -> float:
        """Return the smallest distance (metres, at most `limit`) between a body and some geoms.

        Those whose bounding spheres are farther apart than the nearest so far are not looked at.
        """
        best, segment = limit, np.empty(6)
        places, radii = self.data.geom_xpos, self.model.geom_rbound
        endless = radii[geoms] == 0  # a plane
        for mine in self.geoms_of[body]:
            apart = np.sqrt(((places[geoms] - places[mine]) ** 2).sum(1)) - radii[geoms] - radii[mine]
            apart[endless] = -np.inf
            for other, at_least in zip(geoms, apart.tolist(), strict=True):
                if at_least < best + _BOUND_ERROR:
                    gap = mujoco.mj_geomDistance(self.model, self.data, mine, other, best, segment)
                    best = min(best, gap)
        return best


def split_qpos(qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split numbers of free bodies (..., 7) into positions (..., 3) and unit quaternions xyzw (..., 4)."""
    return qpos[..., :3], units_from_wxyz(qpos[..., 3:])


def _add_body(spec: mujoco.MjSpec, index: int, shape: BodyShape, files: dict[str, bytes]) -> None:
    """Add a body; `files` takes up what its mesh is read from."""
    kind = OBJECTS[shape.name]
    body = spec.worldbody.add_body(name=f"body{index}", mocap=shape.fixed, pos=(0, 0, 0))
    friction = (kind.friction, 0.005, 1e-4)
    priority = 1 if kind.friction != 1.0 else 0
    common = {"friction": friction, "priority": priority, "condim": 3, "solref": (0.01, 1.0)}
    mass = _SMALL_BLOCK_MASS if shape.name == "small block" else kind.mass
    if not shape.fixed:
        body.add_freejoint(name=f"free{index}")
        common["mass"] = mass
    boxes = _base_boxes(shape.name, shape.size) if kind.base else None
    if boxes is not None:
        for centre, half, yaw in boxes:
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX, size=half, pos=centre,
                quat=wxyz(yaw_quaternion(yaw)), **common,
            )  # fmt: skip
    elif not kind.base and kind.extrusion_scale is None:
        half = tuple(0.5 * a * b for a, b in zip(shape.size, shape.scale, strict=True))
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=half, **common)
    else:
        mesh = spec.add_mesh(name=f"hull{index}")
        corners = _hull_vertices(shape.name, shape.size, shape.scale)
        if shape.scale == (1.0, 1.0, 1.0):
            mesh.file = f"{shape.name} {shape.size}.msh"
            files[mesh.file] = _hull_file(corners)
        else:
            mesh.uservert = corners.ravel().tolist()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, **common)


def _hull_file(corners: np.ndarray) -> bytes:
    """Write corners (n, 3) as a file in memory: MuJoCo works out the hull of a file once in a process.

    What it worked out stays for good, so this is for the few shapes there are at their own scale.
    """
    header = np.array([len(corners), 0, 0, 0], np.int32)  # of corners, normals, texture coordinates, faces
    return header.tobytes() + corners.astype(np.float32).tobytes()


def _add_plate(spec: mujoco.MjSpec) -> None:
    """A heavy plate on three slides and a hinge: its constant velocity is not slowed by what it pushes."""
    plate = spec.worldbody.add_body(name="plate", pos=(0, 0, 0), gravcomp=1.0)
    for name, axis in (("plate_x", (1, 0, 0)), ("plate_y", (0, 1, 0)), ("plate_z", (0, 0, 1))):
        plate.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
    plate.add_joint(name="plate_yaw", type=mujoco.mjtJoint.mjJNT_HINGE, axis=(0, 0, 1))
    plate.add_geom(
        name="plate", type=mujoco.mjtGeom.mjGEOM_BOX, size=tuple(s / 2 for s in PLATE_SIZE), mass=1e5,
        friction=(0.4, 0.005, 1e-4), priority=2, condim=3, solref=(0.01, 1.0),
    )  # fmt: skip


@functools.lru_cache(maxsize=12)
def _physics_of(thread: int, shapes: tuple[BodyShape, ...]) -> Physics:
    return Physics(shapes)


def physics(shapes: tuple[BodyShape, ...]) -> Physics:
    """Return the compiled physics of a combination of bodies, one per thread, reset before use by `load`."""
    return _physics_of(threading.get_ident(), shapes)
