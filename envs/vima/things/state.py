"""What an object on the table is and where: the records that tasks, info and recorded scenes share.

Metres, radians, quaternions xyzw, VIMA-Bench's world frame (x away from the robot, y left, z up).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envs.errors import EnvError
from envs.poses import Pose, Quaternion, Vector

SAME_PLACE_M = 1e-3
"""Recorded poses nearer than this are one place."""


@dataclass(frozen=True)
class ObjectState:
    """One object: what it is and where it is now."""

    id: int
    """The number the segmentation image shows it with."""
    name: str
    texture: str
    fixed: bool
    size: Vector
    """Nominal extent in metres, as drawn; spacing and spawn height follow from it."""
    scale: float | Vector
    """Factor on the object's true geometry."""
    position: Vector
    quaternion: Quaternion
    target: Pose | None = field(default=None, repr=False)
    """Where the prompt's picture shows it, in the tasks that ask for such an arrangement."""

    @property
    def pose(self) -> Pose:
        return Pose(self.position, self.quaternion)


def object_from_record(record: "ObjectState | Mapping[str, Any]") -> ObjectState:
    """Read an object from a recorded scene: an ObjectState, or a mapping of its fields.

    Fixture names are understood too: `spawn_pos`/`spawn_quat` (or `pos`/`quat`), `category`, `scaling`.
    Upstream spawns an object that must be brought somewhere at its target and then moves it, so where the
    two poses of a free object differ, the spawn pose is the target.
    """
    if isinstance(record, ObjectState):
        return record
    if not isinstance(record, Mapping):
        raise EnvError(f"a recorded object is an ObjectState or a mapping, not {type(record).__name__}")

    def value(*names: str) -> Any:
        for name in names:
            if name in record:
                return record[name]
        raise EnvError(f"recorded object lacks {names[0]!r}: it has {', '.join(map(str, record))}")

    name, texture = str(value("name")), str(value("texture"))
    fixed = record["category"] == "fixed" if "category" in record else bool(value("fixed"))
    scale = record.get("scale", record.get("scaling", 1.0))
    pose = _pose(value("position", "spawn_pos", "pos"), value("quaternion", "spawn_quat", "quat"))
    target = record.get("target")
    if isinstance(target, Mapping):
        target = _pose(target["position"], target["quaternion"])
    if not fixed and {"spawn_pos", "spawn_quat", "pos", "quat"} <= set(record):
        now = _pose(record["pos"], record["quat"])
        if math.dist(now.position, pose.position) > SAME_PLACE_M:
            pose, target = now, pose
    return ObjectState(
        id=int(record.get("id", 0)),
        name=name,
        texture=texture,
        fixed=fixed,
        size=_floats(value("size"), 3),
        scale=float(scale) if isinstance(scale, int | float) else _floats(scale, 3),
        position=pose.position,
        quaternion=pose.quaternion,
        target=target,
    )


def _pose(position: Any, quaternion: Any) -> Pose:
    return Pose(_floats(position, 3), _floats(quaternion, 4))


def _floats(values: Any, length: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != length or not all(map(math.isfinite, numbers)):
        raise EnvError(f"expected {length} finite numbers, got {numbers}")
    return numbers
