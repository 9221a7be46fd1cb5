"""The motion inside a primitive, for videos: a drawn tool and where it is about 20 times a simulated
second.

Unusual: used only when somebody watches; it moves the scene's held body along the way, and hands the tool's
parts to a callback that renders. Refuses to know what is done with the frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from envs.poses import turned, yaw_matrix
from envs.vima.table.physics import PLATE_SIZE, TIME_STEP, Physics
from envs.vima.table.render import Drawable
from envs.vima.table.scene import Scene
from envs.vima.table.tools import SUCTION
from envs.vima.things.meshes import Part

FRAME_SECONDS = 0.05
_TRAVEL_SPEED, _DESCEND_SPEED, _SLIDE_SPEED = 0.6, 0.5, 0.12
_HOVER = 0.32
_TOOL_ID = 254
_TOOL_COLOUR, _TIP_COLOUR = (0.42, 0.45, 0.5, 1.0), (0.12, 0.12, 0.13, 1.0)
_HOME = (0.487, 0.109)

FrameCallback = Callable[[tuple[Drawable, ...]], None]


def suction_cup(x: float, y: float, z: float, yaw: float) -> tuple[Drawable, ...]:
    """The suction tool with its tip at (x, y, z)."""
    at, turn = np.array([x, y, z]), yaw_matrix(yaw)
    tip = Drawable(
        (Part("cube", (0.012, 0.012, 0.03), (0, 0, 0.015)),), None, at, turn, _TOOL_ID, colour=_TIP_COLOUR
    )
    shaft = Drawable(
        (Part("cube", (0.03, 0.03, 0.3), (0, 0, 0.18)),), None, at, turn, _TOOL_ID, colour=_TOOL_COLOUR
    )
    return tip, shaft


def spatula(x: float, y: float, z: float, yaw: float) -> tuple[Drawable, ...]:
    """The spatula with the lower edge of its plate at (x, y, z)."""
    at, turn = np.array([x, y, z]), yaw_matrix(yaw)
    plate = Drawable(
        (Part("cube", PLATE_SIZE, (0, 0, PLATE_SIZE[2] / 2)),), None, at, turn, _TOOL_ID, colour=_TIP_COLOUR
    )
    shaft = Drawable(
        (Part("cube", (0.025, 0.025, 0.25), (0, 0, PLATE_SIZE[2] + 0.125)),),
        None,
        at,
        turn,
        _TOOL_ID,
        colour=_TOOL_COLOUR,
    )
    return plate, shaft


class ToolMotion:
    """Where the drawn tool is; every method moves it and shows the frames on the way."""

    steps_per_frame = round(FRAME_SECONDS / TIME_STEP)

    def __init__(self, scene: Scene, on_frame: FrameCallback) -> None:
        self._scene = scene
        self._on_frame = on_frame
        self._draw = suction_cup if scene.end_effector == SUCTION else spatula
        self._at = np.array([*_HOME, _HOVER])
        self._yaw = 0.0
        self._steps = 0

    def _show(self) -> None:
        self._on_frame(self._draw(*self._at, self._yaw))

    def _go(
        self,
        goal: Sequence[float],
        speed: float,
        turn: float = 0.0,
        each: Callable[[float], None] | None = None,
    ) -> None:
        """Move in a straight line at a speed (m/s), turning on the way; `each` gets the fraction done."""
        start, yaw = self._at.copy(), self._yaw
        goal = np.asarray(goal, float)
        frames = max(1, round(float(np.linalg.norm(goal - start)) / (speed * FRAME_SECONDS)))
        for i in range(1, frames + 1):
            self._at, self._yaw = start + (goal - start) * i / frames, yaw + turn * i / frames
            if each:
                each(i / frames)
            self._show()

    def lower(self, x: float, y: float, z: float) -> None:
        """Come from home, go down until the tip touches at z."""
        self._show()
        self._go((x, y, _HOVER), _TRAVEL_SPEED)
        self._go((x, y, z), _DESCEND_SPEED)

    def lift(self) -> None:
        self._go((self._at[0], self._at[1], _HOVER), _DESCEND_SPEED)

    def carry(
        self, body: int, position: np.ndarray, quaternion: np.ndarray, end: Sequence[float], turn: float
    ) -> None:
        """Lift the held body from its pose, bring it over the end and turn it on the way."""
        grip, start_yaw = self._at.copy(), self._yaw

        def hold(_: float) -> None:
            angle = self._yaw - start_yaw
            at = self._at + yaw_matrix(angle) @ (position - grip)
            self._scene.set_pose(body, at, turned(quaternion, angle))

        self._go((grip[0], grip[1], _HOVER), _DESCEND_SPEED, each=hold)
        self._go((end[0], end[1], _HOVER), _TRAVEL_SPEED, turn, each=hold)

    def put_down(self, body: int, position: np.ndarray, quaternion: np.ndarray) -> None:
        """Lower the held body to the position where it is released."""
        above = self._at - self._scene.pose(body)[0]

        def hold(_: float) -> None:
            self._scene.set_pose(body, self._at - above, quaternion)

        self._go(position + above, _DESCEND_SPEED, each=hold)

    def physics_step(self, world: Physics) -> Callable[[], None]:
        """Return a callback for `Physics.settle` that shows what moves."""

        def step() -> None:
            self._steps += 1
            if self._steps % self.steps_per_frame == 0:
                self._scene.take_poses(*world.free_poses())
                self._show()

        return step

    def plate_down(self, at: np.ndarray, yaw: float) -> None:
        self._yaw = yaw
        self._show()
        self._go((at[0], at[1], _HOVER), _TRAVEL_SPEED)
        self._go((at[0], at[1], 0.006), _DESCEND_SPEED)

    def plate_pushes(self, world: Physics) -> None:
        """Follow plate and bodies to where physics has them."""
        self._scene.take_poses(*world.free_poses())
        self.plate_slide(world.plate_position()[:2])

    def plate_slide(self, at: Sequence[float]) -> None:
        self._go((at[0], at[1], self._at[2]), _SLIDE_SPEED)
