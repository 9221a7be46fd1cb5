"""The table of one episode: bodies with their records, and the draws that place them.

A thin layer over `Scene` that adds what tasks speak of (textures, nominal sizes, roles by id) and owns the
episode's generator. It refuses to know goals or prompts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from envs.errors import SpawnError, unknown_name
from envs.poses import Pose, Vector, offset
from envs.vima.table.scene import PORTRAIT_POSE, Scene, placed, render_object, render_scene
from envs.vima.table.spawning import HOLLOW_BASES, draw_pose, too_close
from envs.vima.table.tools import SUCTION
from envs.vima.things.objects import OBJECTS
from envs.vima.things.state import ObjectState
from envs.vima.things.textures import DARK, TEXTURES, is_texture

BOWL_CENTRE = (-0.04366, 0.0142)
"""Upstream's bowl stands this far from its origin, in its own frame; ours too, so that a seed means the same
scene.
"""
ATTEMPTS = 10
"""How often a task tries to place one object before the reset starts over."""


Shown = tuple[str, str, Vector, Pose]
"""An object in a prompt picture: name, texture, nominal size, pose."""


class World:
    """Bodies on the table, by segmentation id."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.rng = np.random.default_rng(0)
        self.records: dict[int, ObjectState] = {}

    def begin(self, rng: np.random.Generator, end_effector: int) -> None:
        """Empty the table and take over the generator of the episode to come."""
        self.scene.clear(end_effector)
        self.rng = rng
        self.records = {}

    # draws, in upstream's order of numpy calls

    def choice(self, options: Sequence):
        """Draw one element of a sequence (one integer draw, whatever the elements are)."""
        return options[int(self.rng.choice(len(options)))]

    def draw_size(self, name: str) -> Vector:
        """Draw the nominal size of an object; three doubles even where nothing varies."""
        kind = OBJECTS[name]
        return tuple(float(value) for value in self.rng.uniform(kind.size_low, kind.size_high))

    def draw_pose(self, size: Vector) -> Pose | None:
        """Draw a free pose for an object of this nominal size; None when the table is too full."""
        return draw_pose(self.scene.silhouette(), size, self.rng)

    def try_place(
        self,
        draw: Callable[[], tuple[str, str, Vector]],
        *,
        away_from: Iterable[int] = (),
        attempts: int = ATTEMPTS,
    ) -> int:
        """Draw (name, texture, size) and a pose until one fits, clear of hollow bases; return the new body's
        id.

        Raises SpawnError after `attempts` tries.
        """
        for _ in range(attempts):
            name, texture, size = draw()
            pose = self.draw_pose(size)
            if pose is not None and self.is_clear(name, size, pose, away_from):
                return self.add(name, texture, pose, size)
        raise SpawnError(f"no free place on the table after {attempts} attempts")

    def is_clear(self, name: str, size: Vector, pose: Pose, others: Iterable[int]) -> bool:
        """Apply the hollow rule: spacing by nominal size wherever one of the two is a frame or a square."""
        for other in others:
            record = self.records[other]
            hollow = record.name in HOLLOW_BASES or name in HOLLOW_BASES
            if hollow and too_close(pose.position, size, record.position, record.size):
                return False
        return True

    # bodies

    def add(self, name: str, texture: str, pose: Pose, size: Vector, *, scale: float | Vector = 1.0) -> int:
        """Put a body on the table and return its id."""
        if name not in OBJECTS:
            raise unknown_name("object", name, OBJECTS)
        if not is_texture(texture):
            raise unknown_name("texture", texture, (*TEXTURES, *DARK))
        fixed = OBJECTS[name].base
        centre = _centre(name, pose)
        body = self.scene.add(name, texture, centre, pose.quaternion, size, fixed, scale)
        self.records[body] = ObjectState(
            id=body,
            name=name,
            texture=texture,
            fixed=fixed,
            size=tuple(size),
            scale=scale,
            position=tuple(pose.position),
            quaternion=tuple(pose.quaternion),
        )
        return body

    def displace(self, body: int, pose: Pose) -> None:
        """Move a body away from where it was put, and note that place as its target."""
        record = self.records[body]
        self.scene.set_pose(body, _centre(record.name, pose), pose.quaternion)
        self.records[body] = replace(
            record, position=tuple(pose.position), quaternion=tuple(pose.quaternion), target=record.pose
        )

    def pose(self, body: int) -> Pose:
        """Return where a body's origin is now; fixed bodies are where they were put."""
        record = self.records[body]
        if record.fixed:
            return record.pose
        placed = self.scene.body(body)
        return Pose(tuple(placed.position.tolist()), tuple(placed.quaternion.tolist()))

    def centre(self, body: int) -> Pose:
        """Return where a body's middle is now: what the eye takes for its place, and what goals aim at."""
        pose = self.pose(body)
        return Pose(_centre(self.records[body].name, pose), pose.quaternion)

    def position(self, body: int) -> Vector:
        return self.pose(body).position

    def symmetry(self, body: int) -> float | None:
        return OBJECTS[self.records[body].name].symmetry

    def objects(self) -> tuple[ObjectState, ...]:
        """Return every body where it is now, in creation order."""
        return tuple(
            record if record.fixed else _moved(record, self.pose(body))
            for body, record in self.records.items()
        )

    # prompt pictures

    def portrait(self, name: str, texture: str, size: Vector, scale: float | Vector = 1.0) -> dict[str, Any]:
        """Return the prompt asset of an object alone on white."""
        drawn = size if OBJECTS[name].base else None  # only bases take their geometry from the drawn size
        at = _centre(name, Pose(*PORTRAIT_POSE))
        rgb, segm = render_object(name, texture, scale, drawn, image_size=self.scene.image_size, position=at)
        return object_asset(rgb, segm, name, texture)

    def picture(self, shown: Sequence[Shown]) -> dict[str, Any]:
        """Return the prompt asset of a scene of its own, with these objects on an otherwise empty table."""
        bodies = [
            placed(name, texture, _centre(name, pose), pose.quaternion, size)
            for name, texture, size, pose in shown
        ]
        rgb, segm = render_scene(bodies, image_size=self.scene.image_size)
        return scene_asset(rgb, segm, [(name, texture) for name, texture, _, _ in shown])

    def draw_picture_pose(self, shown: Sequence[Shown], size: Vector) -> Pose | None:
        """Draw a free pose in such a scene."""
        scene = Scene(SUCTION)
        for name, texture, other_size, pose in shown:
            scene.add(name, texture, _centre(name, pose), pose.quaternion, other_size, True)
        return draw_pose(scene.silhouette(), size, self.rng)


def _moved(record: ObjectState, pose: Pose) -> ObjectState:
    """Return what `dataclasses.replace` would, in a third of the time."""
    return ObjectState(
        record.id, record.name, record.texture, record.fixed, record.size, record.scale,
        pose.position, pose.quaternion, record.target,
    )  # fmt: skip


def object_asset(rgb: Mapping, segm: Mapping, name: str, texture: str) -> dict[str, Any]:
    """Describe a single object alone on white; it is id 0 there."""
    info = {"obj_id": 0, "obj_name": name, "obj_color": texture}
    return {"rgb": rgb, "segm": {**segm, "obj_info": info}, "placeholder_type": "object"}


def scene_asset(rgb: Mapping, segm: Mapping, objects: list[tuple[str, str]]) -> dict[str, Any]:
    """Describe a scene picture of (name, texture) objects; their ids count from 2."""
    info = [
        {"obj_id": 2 + i, "obj_name": name, "obj_color": texture} for i, (name, texture) in enumerate(objects)
    ]
    return {"rgb": rgb, "segm": {**segm, "obj_info": info}, "placeholder_type": "scene"}


def _centre(name: str, pose: Pose) -> Vector:
    if name != "bowl":
        return pose.position
    return (*offset(pose.position, BOWL_CENTRE, pose.yaw), pose.position[2])
