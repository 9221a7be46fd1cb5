"""The two macro actions: pick an object up and place it, push with the spatula.

Unusual: there is no arm. The suction cup is a vertical probe and the held body is carried to where it must
go, physics running only while something can move: objects that still hover fall, what leaned on a lifted
body settles, a released body comes to rest, blocks slide before the plate. Rotations mean yaw only; any
quaternion that is not normalised is accepted. Refuses to know tasks; a video callback sees the motion that
is otherwise skipped.

Source: VIMA-Bench's measured primitives (hover height, 1 mm contact steps, push offsets and speed).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from envs.poses import as_yaw, offset, turned
from envs.vima.table.physics import (
    PLATE_SIZE,
    TABLE_HEIGHT,
    TIME_STEP,
    Physics,
    split_qpos,
)
from envs.vima.table.scene import Scene
from envs.vima.table.tool_motion import FrameCallback, ToolMotion

HOVER = 0.32
CUP_RADIUS = 0.0055
"""Reach of the cup in metres: the tip's 1 mm, the collision margins and the error of the benchmark's arm
together.
"""
_PROBES = [(0.0, 0.0)] + [
    (radius * math.cos(angle), radius * math.sin(angle))
    for radius in (0.001, 0.003, CUP_RADIUS)
    for angle in (i * math.pi / 4 for i in range(8))
]
_DOWN = np.array([0.0, 0.0, -1.0])
_CLEARANCE = 3e-4
_LEAN = 1.5e-3
"""Bodies closer than this (metres) may rest on each other."""

PUSH_SPEED = 0.12
PUSH_BACK, PUSH_SHORT = 0.02, 0.053  # the benchmark commands 0.05; its arm stops 3 mm before that
PLATE_BOTTOM = 0.007
CHECK_EVERY = 25
"""Physics steps (0.1 s) between two checks during a push."""

Target = tuple[Sequence[float], float | Sequence[float]]
"""Where a tool goes: (x, y[, z ignored]) in metres, and a yaw in radians or a quaternion xyzw."""


Poses = tuple[np.ndarray, np.ndarray]
"""Positions (..., n, 3) and quaternions xyzw (..., n, 4) of the free bodies."""
_DONE: OrderedDict[tuple, Poses] = OrderedDict()
"""Table and way of a push, or None for settling → where the free bodies were at every check.

What happens hangs on these alone, so the last ones are kept: what an expert has tried is often what is done
next, or the beginning of what it tries next.
"""
_DONE_KEPT = 64


def _asked(scene: Scene, way: tuple[float, ...] | None) -> tuple:
    places = b"".join(body.position.tobytes() + body.quaternion.tobytes() for body in scene.bodies)
    return scene.shapes(), places, way


def _keep(asked: tuple, poses: Poses) -> None:
    _DONE[asked] = poses
    while len(_DONE) > _DONE_KEPT:
        _DONE.popitem(last=False)


def settle(scene: Scene) -> None:
    """Let hovering bodies fall and come to rest; does nothing when all of them rest already."""
    if scene.resting:
        return
    asked = _asked(scene, None)
    poses = _DONE.get(asked)
    if poses is None:
        world = scene.load_physics()
        if world.free:
            world.separate()
            world.settle()
        poses = world.free_poses()
        _keep(asked, poses)
    scene.take_poses(*poses)
    scene.resting = True


def pick_place(scene: Scene, start: Target, end: Target, on_frame: FrameCallback | None = None) -> int | None:
    """Lower the suction cup at `start`, lift what it touches first, put it down at `end`.

    The held body turns by end yaw minus start yaw about the cup. Returns the id of the moved body, None
    when the cup touched the table or something fixed. `on_frame` is called about 20 times per simulated
    second with the tool's parts.
    """
    motion = ToolMotion(scene, on_frame) if on_frame else None
    settle(scene)
    (x0, y0), (x1, y1) = start[0][:2], end[0][:2]
    turn = as_yaw(end[1]) - as_yaw(start[1])
    world = scene.load_physics()
    index, height = _first_contact(world, float(x0), float(y0))
    if motion:
        motion.lower(x0, y0, height)
    if index is None:
        if motion:
            motion.lift()
        return None
    body = scene.bodies[index].id
    position, quaternion = world.pose(index)
    leaning = _leans_on(world, index)
    x, y = offset((x1, y1), (position[0] - x0, position[1] - y0), turn)
    goal, rotation = np.array([x, y, position[2] + HOVER - height]), turned(quaternion, turn)
    world.place(index, goal, rotation)
    if leaning:
        world.settle(held=index)
        scene.take_poses(*world.free_poses())
        world.place(index, goal, rotation)
    if motion:
        motion.carry(body, position, quaternion, (x1, y1), turn)
    _descend(world, index, goal, rotation)
    if motion:
        motion.put_down(body, world.pose(index)[0], rotation)
        world.settle(on_step=motion.physics_step(world))
    else:
        world.settle()
    scene.take_poses(*world.free_poses())
    scene.resting = True
    if motion:
        motion.lift()
    return body


def push(scene: Scene, start: Target, end: Target, on_frame: FrameCallback | None = None) -> Poses:
    """Push with the plate from 2 cm before `start` to about 5 cm before `end`; rotations are ignored.

    Where the plate would come down on a block it starts farther back. Returns where the free bodies were at
    every check (first axis), at most 0.1 simulated seconds apart while blocks move and once they rest.
    """
    settle(scene)
    way = (*map(float, start[0][:2]), *map(float, end[0][:2]))
    motion = ToolMotion(scene, on_frame) if on_frame else None
    asked = _asked(scene, way)
    poses = None if motion else _DONE.get(asked)
    if poses is None:
        poses = split_qpos(np.stack(list(_pushed(scene.load_physics(), way, motion))))
        if motion is None:
            _keep(asked, poses)
    scene.take_poses(*(numbers[-1] for numbers in poses))
    scene.resting = True
    if motion:
        motion.lift()
    return poses


def _pushed(
    world: Physics, way: tuple[float, float, float, float], motion: ToolMotion | None
) -> Iterator[np.ndarray]:
    """Push from (x, y) to (x, y) and yield `Physics.free_qpos` at every check."""
    first, last = np.array(way[:2]), np.array(way[2:])
    direction = last - first
    length = float(np.hypot(*direction))
    direction = direction / length if length > 1e-6 else np.array([1.0, 0.0])
    yaw = math.atan2(direction[1], direction[0])
    travel = length + PUSH_BACK - PUSH_SHORT
    heading = direction if travel >= 0 else -direction
    height = TABLE_HEIGHT + PLATE_BOTTOM + PLATE_SIZE[2] / 2
    begin = first - PUSH_BACK * direction
    stop = begin + travel * direction

    def gap(at: np.ndarray) -> float:
        world.plate_at(at[0], at[1], height, yaw, (0.0, 0.0, 0.0))
        return world.plate_gap(limit=1.0)

    backed = 0.0
    while gap(begin) < 5e-4 and backed < 0.1:
        begin = begin - 0.0025 * heading
        backed += 0.0025
    if motion:
        motion.plate_down(begin, yaw)
    remaining = abs(float(np.dot(stop - begin, heading)))
    at = begin
    while remaining > 0 and (free := gap(at)) > 1e-3:  # nothing can move before the plate touches
        step = min(free - 5e-4, remaining)
        at, remaining = at + step * heading, remaining - step
        if motion:
            motion.plate_slide(at)
    if remaining > 0:
        velocity = PUSH_SPEED * heading
        world.plate_at(at[0], at[1], height, yaw, (velocity[0], velocity[1], 0.0))
        steps = round(remaining / (PUSH_SPEED * TIME_STEP))
        while steps > 0:
            count = min(steps, CHECK_EVERY if not motion else motion.steps_per_frame)
            mujoco.mj_step(world.model, world.data, nstep=count)
            steps -= count
            yield world.free_qpos()
            if motion:
                motion.plate_pushes(world)
    world.plate_off()
    world.settle()
    yield world.free_qpos()


def _first_contact(world: Physics, x: float, y: float) -> tuple[int | None, float]:
    """Lower the cup: the free body it touches (None for table and fixed bodies) and the height of the
    touch.

    What lies under the middle counts; where that is not a free body, the nearest one within the cup's reach
    does.
    """
    mujoco.mj_kinematics(world.model, world.data)
    floor = None
    for dx, dy in _PROBES:
        body, height = _probe(world, x + dx, y + dy)
        if body is not None:
            return body, height
        floor = height if floor is None else floor
    return None, TABLE_HEIGHT if floor is None else floor


def _probe(world: Physics, x: float, y: float) -> tuple[int | None, float]:
    """Look straight down: the free body hit first, or None, and the height of the hit."""
    geom = np.zeros(1, np.int32)
    start = np.array([x, y, HOVER])
    distance = mujoco.mj_ray(world.model, world.data, start, _DOWN, None, 1, -1, geom, None)
    if distance < 0:
        return None, TABLE_HEIGHT
    body = world.body_of_geom.get(int(geom[0]))
    return (body if body in world.free else None), HOVER - distance


def _leans_on(world: Physics, index: int) -> bool:
    """Whether another free body is close enough to be touched by this one."""
    return any(world.touches(index, other, _LEAN) for other in world.free if other != index)


def _descend(world: Physics, index: int, position: np.ndarray, quaternion: np.ndarray) -> None:
    """Lower a held body until it is within a fraction of a millimetre of something."""
    position = position.copy()
    while position[2] > -0.05:
        gap = world.distance_below(index, limit=0.5)
        if gap <= _CLEARANCE:
            break
        position[2] -= max(gap - 0.5 * _CLEARANCE, 2e-4)
        world.place(index, position, quaternion)
