"""Reading the objects of a recorded scene: what `reset(options={"objects": [...]})` takes.

Whatever cannot stand on the table is one EnvError that names the object, the field, the value and what is
allowed. Refuses to know tasks: whether a scene fits one is the task's to say.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs.errors import EnvError, shown, unknown_name
from envs.inputs import numbers, whole_number
from envs.poses import Pose
from envs.vima.things.objects import OBJECTS, ObjectType
from envs.vima.things.state import ObjectState
from envs.vima.things.textures import DARK, GRAY, TEXTURES

SAME_PLACE_M = 1e-3
"""Recorded poses nearer than this are one place."""
MOST_OBJECTS = 100
"""Of a scene; the benchmark's have at most 14."""
TABLE_LOW, TABLE_HIGH = (-1.0, -2.0, -0.1), (2.0, 2.0, 0.5)
"""Metres between which an object's origin lies: the light plane about the mat, and what the tools reach."""
SCALE_LOW, SCALE_HIGH = 0.2, 5.0
SIZE_FACTOR, SIZE_MARGIN_M = 4.0, 0.01
"""How many times smaller or larger than its type draws it, and larger by, for extents of almost nothing."""
_OF_ONE_SHAPE = ("bowl", "frame", "square", "pallet", "pan")
"""Bases whose size shapes nothing, as that of extruded types."""
UNIT_TOLERANCE = 0.01
"""How far from 1 the length of a recorded quaternion may be."""

Record = ObjectState | Mapping[str, Any]


def objects_from_records(records: Sequence[Record]) -> list[ObjectState]:
    """Read the objects of a recorded scene in the order of their ids.

    Raises EnvError for more than `MOST_OBJECTS`, for an id that two objects have, and as
    `object_from_record`.
    """
    if len(records) > MOST_OBJECTS:
        raise EnvError(f"a recorded scene has at most {MOST_OBJECTS} objects; got {len(records)}")
    objects = [object_from_record(record, f"objects[{i}]") for i, record in enumerate(records)]
    with_id = [isinstance(record, ObjectState) or "id" in record for record in records]
    if any(with_id):
        places: dict[int, int] = {}
        for i, state in enumerate(objects):
            if not with_id[i]:
                raise EnvError(f"objects[{i}] lacks 'id', which others have: give it to all or to none")
            if places.setdefault(state.id, i) != i:
                raise EnvError(f"objects[{places[state.id]}] and objects[{i}] have one id, {state.id}")
    return sorted(objects, key=lambda state: state.id)


def object_from_record(record: Record, where: str = "recorded object") -> ObjectState:
    """Read an object of a recorded scene: an ObjectState, or a mapping of its fields.

    Fixture names are understood too: `spawn_pos`/`spawn_quat` (or `pos`/`quat`), `category`, `scaling`.
    Upstream spawns an object that must be brought somewhere at its target and then moves it, so where the
    two poses of a free object differ, the spawn pose is the target.

    Raises EnvError, which calls the object `where`, for a field that is missing or out of its range.
    """
    if isinstance(record, ObjectState):
        record = vars(record)
    if not isinstance(record, Mapping):
        raise EnvError(f"{where} is an ObjectState or a mapping of its fields; got {shown(record)}")
    fields = _Fields(record, where)
    name = fields.name("name", "object", OBJECTS)
    kind = OBJECTS[name]
    texture = fields.name("texture", "texture", (*TEXTURES, *DARK, GRAY))
    fixed, scale = fields.fixed(kind), fields.scale()
    pose = fields.pose(("position", "spawn_pos", "pos"), ("quaternion", "spawn_quat", "quat"))
    target = fields.target()
    if not kind.base and {"spawn_pos", "spawn_quat", "pos", "quat"} <= set(record):
        now = fields.pose(("pos",), ("quat",))
        if math.dist(now.position, pose.position) > SAME_PLACE_M:
            pose, target = now, pose
    return ObjectState(
        id=whole_number(record.get("id", 0), f"{where}['id']", 0, 2**31),
        name=name,
        texture=texture,
        fixed=fixed,
        size=fields.size(kind),
        scale=scale,
        position=pose.position,
        quaternion=pose.quaternion,
        target=target,
    )


class _Fields:
    """The fields of one record, read with their ranges."""

    def __init__(self, record: Mapping[str, Any], where: str) -> None:
        self._record, self._where = record, where

    def _found(self, *names: str) -> tuple[Any, str]:
        """Return the first of these fields and what an error calls it."""
        for name in names:
            if name in self._record:
                return self._record[name], f"{self._where}[{name!r}]"
        raise EnvError(f"{self._where} lacks {names[0]!r}: it has {', '.join(map(str, self._record))}")

    def name(self, field: str, kind: str, known: Sequence[str] | Mapping[str, Any]) -> str:
        value, _ = self._found(field)
        if not isinstance(value, str) or value not in known:
            raise EnvError(f"{self._where}: {unknown_name(kind, value, known)}")
        return value

    def fixed(self, kind: ObjectType) -> bool:
        """Read whether it stays where it is: with `category` as words, and always as its type has it."""
        if "category" in self._record:
            value, what = self._found("category")
            given = {"fixed": True, "rigid": False}.get(value) if isinstance(value, str) else None
            right = "'fixed'" if kind.base else "'rigid'"
        else:
            value, what = self._found("fixed")
            given = bool(value) if isinstance(value, bool | np.bool_) else None
            right = str(kind.base)
        if given is not kind.base:
            raise EnvError(f"{what} of a {kind.name} is {right}; got {shown(value)}")
        return kind.base

    def size(self, kind: ObjectType) -> tuple[float, ...]:
        value, what = self._found("size")
        size = numbers(value, what, (3,))
        shapes = kind.extrusion_scale is None and kind.name not in _OF_ONE_SHAPE
        for axis, (given, least, most) in enumerate(zip(size, kind.size_low, kind.size_high, strict=True)):
            low, high = shapes * least / SIZE_FACTOR, most * SIZE_FACTOR + SIZE_MARGIN_M
            if not low <= given <= high:
                allowed = f"{'xyz'[axis]} from {low:g} to {high:g}"
                raise EnvError(f"{what} of a {kind.name} has {allowed}; got {shown(value)}")
        return tuple(size.tolist())

    def scale(self) -> float | tuple[float, ...]:
        if not {"scale", "scaling"} & set(self._record):
            return 1.0
        value, what = self._found("scale", "scaling")
        scale = numbers(value, what, (1, 3), SCALE_LOW, SCALE_HIGH).tolist()
        return scale[0] if len(scale) == 1 else tuple(scale)

    def pose(self, positions: Sequence[str], quaternions: Sequence[str]) -> Pose:
        return _pose(*self._found(*positions), *self._found(*quaternions))

    def target(self) -> Pose | None:
        target = self._record.get("target")
        what = f"{self._where}['target']"
        if isinstance(target, Pose):
            target = vars(target)
        if target is None:
            return None
        if not isinstance(target, Mapping) or not {"position", "quaternion"} <= set(target):
            raise EnvError(f"{what} is a Pose or a mapping of position and quaternion; got {shown(target)}")
        parts = ((target[part], f"{what}[{part!r}]") for part in ("position", "quaternion"))
        return _pose(*(each for part in parts for each in part))


def _pose(position: Any, position_what: str, quaternion: Any, quaternion_what: str) -> Pose:
    place = numbers(position, position_what, (3,))
    for axis, (value, low, high) in enumerate(zip(place, TABLE_LOW, TABLE_HIGH, strict=True)):
        if not low <= value <= high:
            table = f"{'xyz'[axis]} from {low:g} to {high:g}"
            raise EnvError(f"{position_what} is off the table, {table}; got {shown(position)}")
    turn = numbers(quaternion, quaternion_what, (4,))
    if not abs(math.hypot(*turn) - 1) <= UNIT_TOLERANCE:
        raise EnvError(f"{quaternion_what} must be of length 1, (x, y, z, w); got {shown(quaternion)}")
    return Pose(tuple(place.tolist()), tuple(turn.tolist()))
