"""The tabletop's arm: a suction cup that picks and places, or a spatula that pushes.

`0: pick from ( <X> <Y> <R> ) and place to ( <X> <Y> <R> )`, `push from … and push to …` for the spatula:
places on the table and yaws (Unified-IO 2, arXiv 2312.17172, embodied tasks; VIMA, arXiv 2210.03094).
Unusual: the text keeps only the yaw of a rotation, and which tool acts is told by the verb. Yaw has one bin
less than the scale: bin 999 is a full turn, so it is written as bin 0, and a yaw of -1e-9 is 0 too.

Where things are is `tabletop_places`'s, mirrored tables are `tabletop_symmetries`'. Refuses to know
environments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from policies.action_text import ROUNDING, StepForm
from policies.embodiments.base import NO_ROLE, Controls, Embodiment
from policies.embodiments.drawing import ACCENT, arrow, label
from policies.embodiments.tabletop_places import HIGH, LOW, facing, pixel, quaternion_of, scaled, yaw_of
from policies.embodiments.tabletop_symmetries import Change
from policies.moment import Moment
from policies.prompts import seen_boxes
from policies.style import STACKED, PromptStyle
from uio2_agent.errors import UIO2Error
from uio2_agent.text.vocabulary import value_to_bin

SUCTION, SPATULA = 0, 1
PARTS = {"pose0_position": 2, "pose0_rotation": 4, "pose1_position": 2, "pose1_rotation": 4}
"""Keys of an action and how many numbers each has: metres, quaternion xyzw."""

_TOOLS = ("suction", "spatula")
_REACH_M = 0.06
"""Between a pose and the centre of the object it is about."""
# What shows the table: rows, columns. The mat without the light rim.
_TABLE = {"top": ((2, 126), (4, 252)), "front": ((36, 124), (4, 252))}
_TALLER = 1.5
"""By what factor one thing of a shape is taller than another; sizes of one shape differ by less."""
_TALL_M = 0.2
"""The height that has the last bin; nothing on the table is as tall."""

NOT_MIRRORED = ("rotate", "twist", "manipulate_old_neighbor")
"""Tasks whose words name a sense of rotation or a point of the compass."""
TURNED = ("visual_manipulation", "scene_understanding", "rotate")
"""Tasks whose layouts know no direction; the sweeps', for one, open away from the robot."""


class Vima(Embodiment):
    """Actions are two poses on the table, `PARTS`; the state is one-hot, the tool at hand."""

    name = "vima"
    cameras = ("front", "top")
    state_names = _TOOLS
    action_names = tuple(
        f"pose{pose}.{axis}" for pose in (0, 1) for axis in ("x", "y", "qx", "qy", "qz", "qw")
    )
    forms: ClassVar[Mapping[Hashable, StepForm]] = {
        SUCTION: StepForm("pick from", 3, "and place to", 3),
        SPATULA: StepForm("push from", 3, "and push to", 3),
    }
    symmetries = ("mirror left to right", "turn by half a turn")
    rearrangement = "Rearrange to this {scene}."
    motion = "Follow this motion for {dragged_obj}: {frames}."

    # what environments return

    def state(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
        return state_of(int(info["end_effector"]))

    def observed(
        self, views: Mapping[str, np.ndarray], state: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        rgb = {camera: np.moveaxis(view, -1, 0) for camera, view in views.items()}
        return {"rgb": rgb}, {"end_effector": tool_of(state)}

    def objects(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Id, name, texture, fixed, position (m), quaternion xyzw, size (m), scale and boxes of each."""
        things = info["objects"]
        segmentation = {camera: observation["segm"][camera] for camera in self.cameras}
        return [
            {
                "id": int(thing.id),
                "name": thing.name,
                "texture": thing.texture,
                "fixed": bool(thing.fixed),
                "position": np.asarray(thing.position, float).tolist(),
                "quaternion": np.asarray(thing.quaternion, float).tolist(),
                "size": np.asarray(thing.size, float).tolist(),
                "scale": np.asarray(thing.scale, float).tolist(),
                "boxes": boxes,
            }
            for thing, boxes in zip(things, seen_boxes([t.id for t in things], segmentation), strict=True)
        ]

    # actions

    def checked(self, action: Any) -> dict[str, np.ndarray]:
        if not isinstance(action, Mapping):
            raise UIO2Error(f"an action is a mapping of {', '.join(PARTS)}; got {type(action).__name__}")
        if missing := [part for part in PARTS if part not in action]:
            raise UIO2Error(f"the action has no {missing[0]!r}; it has {sorted(map(str, action))}")
        executed = {}
        for part, count in PARTS.items():
            if part.endswith("_rotation") and np.size(action[part]) == 1:
                executed[part] = quaternion_of(yaw_of(action[part]))
                continue
            try:
                values = np.asarray(action[part]).astype(np.float32).reshape(-1)
            except (TypeError, ValueError, OverflowError):
                values = np.empty(0)
            if values.shape != (count,) or not np.isfinite(values).all():
                raise UIO2Error(f"{part} must be {count} finite numbers, got {action[part]!r}")
            executed[part] = values
        return executed

    def vector(self, action: Any) -> np.ndarray:
        return np.concatenate([np.asarray(action[part], np.float32).reshape(-1) for part in PARTS])

    def action(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum(list(PARTS.values()))[:-1]
        return dict(zip(PARTS, np.split(np.asarray(vector, np.float32), ends), strict=True))

    def idle_action(self, state: np.ndarray) -> dict[str, np.ndarray]:
        """Suction picks and places on one far corner of the mat. A push starts 2 cm before pose 0 and stops
        5 cm short of pose 1, so poses 3 cm apart make a stroke of no length.
        """
        end = LOW + ((0.0, 0.03) if tool_of(state) == SPATULA else (0.0, 0.0))
        return _action((LOW, 0.0), (end, 0.0))

    def random_action(self, state: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Positions inside the workspace, yaws over the full turn."""
        return _action(*((rng.uniform(LOW, HIGH), rng.uniform(0, 2 * math.pi)) for _ in (0, 1)))

    # action text

    def values(self, action: Any, state: np.ndarray) -> tuple[Hashable, list[float]]:
        """Positions outside the workspace are clipped when written; rotations are reduced to their yaw."""
        numbers: list[float] = []
        for pose in (0, 1):
            try:
                position, rotation = action[f"pose{pose}_position"], action[f"pose{pose}_rotation"]
            except KeyError as error:
                raise UIO2Error(f"the action has no {error}; it has {sorted(action)}") from None
            xy = np.asarray(position, dtype=np.float64).reshape(-1)
            if xy.shape != (2,) or not np.all(np.isfinite(xy)):
                raise UIO2Error(f"pose{pose}_position must be x and y in metres, got {position!r}")
            turn = yaw_of(rotation) / (2 * math.pi)
            numbers += [*(xy - LOW) / (HIGH - LOW), 0.0 if turn >= 1 - ROUNDING else turn]
        return tool_of(state), numbers

    def from_values(self, kind: Hashable, values: np.ndarray) -> dict[str, np.ndarray]:
        """Return the action of x, y, turn of pose 0, then of pose 1. Turns are whole turns in either reading:
        the released code hands degrees on, and no environment should see that.
        """
        poses = np.asarray(values).reshape(2, 3)
        return _action(*((LOW + (x, y) * (HIGH - LOW), 2 * math.pi * turn) for x, y, turn in poses))

    def kinds(self, state: np.ndarray) -> tuple[Hashable]:
        return (tool_of(state),)

    # requests

    def style(self, small: bool = False) -> PromptStyle:
        """Both views; for a small model the mat alone, prompt crops of the same scale, few words, and the
        table drawn from above. Only the view from the front tells how tall things are.
        """
        if not small:
            return PromptStyle(views=self.cameras, object_view="front")
        return PromptStyle(
            views=self.cameras,
            crop_to_mat=True,
            object_view=STACKED,
            object_crop=112,
            drawn_views=("top",),
            wording="short",
        )

    def words(self, state: np.ndarray, style: PromptStyle) -> dict[str, str]:
        wordings, tool = self.wordings(style), tool_of(state)
        return {"tool": wordings["tools"][tool], "form": wordings["forms"][tool]}

    def region(self, camera: str, height: int, width: int) -> tuple[slice, slice]:
        """The table without its surroundings."""
        (top, bottom), (left, right) = _TABLE[camera]
        rows, columns = scaled(np.array([top, bottom]), np.array([left, right]), height, width)
        return slice(*np.rint(rows).astype(int).tolist()), slice(*np.rint(columns).astype(int).tolist())

    # symmetries, labels

    def changed(self, moment: Moment, flags: Sequence[bool], cameras: Sequence[str]) -> Moment:
        """The workspace is symmetric about its middle. Tasks whose words name a direction keep what they say;
        a turn needs views that look straight down.
        """
        mirror = bool(flags[0]) and moment.task not in NOT_MIRRORED
        turn = bool(flags[1]) and moment.task in TURNED and set(cameras) == {"top"}
        return Change(mirror, turn, self._rewritten).moment(moment) if mirror or turn else moment

    def _rewritten(self, text: str, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> str:
        """One step of action text, without its number, after a change of its action."""
        (step,) = self.parse(_with_number(text))
        return self.action_text(change(step.action), state_of(step.kind))

    def object_bins(self, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        position = np.array([thing["position"][:2] for thing in objects], np.float64).reshape(-1, 2)
        return value_to_bin(np.clip((position - LOW) / (HIGH - LOW), 0, 1))

    def seen_bins(
        self, camera: str, boxes: Sequence[Sequence[int] | None], size: tuple[int, int]
    ) -> np.ndarray:
        """Known from above only: the camera in front sees height and distance as one."""
        if camera != "top":
            return super().seen_bins(camera, boxes, size)
        low, high = (np.array(pixel(camera, (*corner, 0.0), size)) for corner in (LOW, HIGH))  # column, row
        middles = np.array([((box[1] + box[3]) / 2, (box[0] + box[2]) / 2) if box else low for box in boxes])
        across, down = ((middles - low) / (high - low)).clip(0, 1).reshape(-1, 2).T
        bins = value_to_bin(np.stack([down, across], -1))  # x runs down the picture, y across
        return np.where([[box is not None] for box in boxes], bins, NO_ROLE)

    def roles(self, moment: Moment) -> np.ndarray:
        """1 picks (or pushes) it, 2 places onto it: the nearest object within reach of the pose; only what is
        not fixed is picked.
        """
        objects = moment.objects or ()
        (step,) = self.parse(_with_number(moment.remaining[0]))
        places = np.array([thing["position"][:2] for thing in objects])
        found = np.zeros(len(places), np.int64)
        for role, pose in ((1, "pose0_position"), (2, "pose1_position")):
            distance = np.where(found > 0, np.inf, np.linalg.norm(places - step.action[pose], axis=-1))
            if role == 1:
                distance[[bool(thing.get("fixed")) for thing in objects]] = np.inf
            if distance.min() < _REACH_M:
                found[distance.argmin()] = role
        return found

    def postures(self, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        found = np.full((len(objects), 3), NO_ROLE)
        for row, thing in zip(found, objects, strict=True):
            if "facing" in thing or "quaternion" in thing:
                row[:2] = _facing_bins(thing.get("facing") or facing(yaw_of(thing["quaternion"])))
            if "size" in thing:
                row[2] = value_to_bin(np.clip(np.array([thing["size"][2] / _TALL_M]), 0, 1))[0]
        return found

    def moves(self, moment: Moment) -> np.ndarray:
        found = np.full((len(moment.objects or ()), 4), NO_ROLE)
        (step,) = self.parse(_with_number(moment.remaining[0]))
        turn = 0.0 if step.kind == SPATULA else math.radians(_turn(step.action))
        place = (step.action["pose1_position"] - LOW) / (HIGH - LOW)
        taken = self.roles(moment) == 1
        found[taken] = [*value_to_bin(np.clip(place, 0, 1)), *_facing_bins(facing(turn))]
        return found

    def contrasts(self, moment: Moment) -> tuple[int, np.ndarray]:
        """Taller, shorter, darker or lighter than the other of its shape, where the words say that one thing
        is such "than" another.
        """
        if " than " not in moment.prompt:
            return super().contrasts(moment)
        objects = moment.objects or ()
        found = np.array([_contrast(thing, objects) for thing in objects], np.int64)
        taken = found[self.roles(moment) == 1]
        return int(taken[0]) if len(taken) else NO_ROLE, found

    def turns(self, moment: Moment, pictures: int) -> np.ndarray:
        """Pairs that define a twist show the very turn that the steps make."""
        found = super().turns(moment, pictures)
        if '"Twist"' in moment.prompt and moment.remaining:
            (step,) = self.parse(_with_number(moment.remaining[0]))
            found[1::2] = _facing_bins(facing(math.radians(_turn(step.action))))
        return found

    # for people

    def describe(self, action: Any, state: np.ndarray) -> str:
        """Centimetres from the table's middle, degrees."""
        (x0, y0), (x1, y1) = (np.asarray(action[f"pose{i}_position"], float)[:2] for i in (0, 1))
        places = [f"({100 * (x - 0.5):+z.0f}, {100 * y:+z.0f})" for x, y in ((x0, y0), (x1, y1))]
        spatula = tool_of(state) == SPATULA
        turn = 0.0 if spatula else _turn(action)
        verb = "push" if spatula else "pick"
        return f"{verb} {places[0]} to {places[1]} cm" + (f", turn {turn:+.0f}°" if abs(turn) > 1.5 else "")

    def draw(self, pen: Any, camera: str, size: tuple[int, int], action: Any, state: np.ndarray) -> None:
        start, end = (pixel(camera, action[f"pose{i}_position"], size) for i in (0, 1))
        arrow(pen, start, end)
        turn = 0.0 if tool_of(state) == SPATULA else _turn(action)  # a spatula ignores rotations
        if abs(turn) > 1.5:
            label(pen, (end[0] + 12, end[1] - 26), f"{turn:+.0f}°", ACCENT)

    def controls(self, state: np.ndarray) -> Controls:
        if tool_of(state) == SPATULA:
            return Controls("top", ("Click where the push begins.", "Click where it ends."))
        return Controls("top", ("Click what to pick up.", "Click where to put it."), turn=True)

    def clicked(self, points: Sequence[tuple[float, float]], turn: float, state: np.ndarray) -> Any:
        """What is carried is turned clockwise, as seen from above."""
        start, end = (np.array([0.5 + 0.51 * (down - 0.5), 1.02 * (across - 0.5)]) for across, down in points)
        return _action((start, 0.0), (end, -math.radians(turn)))


VIMA = Vima()


def state_of(tool: int) -> np.ndarray:
    """Return the state, float32 (2,), of an arm with a tool: 0 suction, 1 spatula."""
    if tool not in (SUCTION, SPATULA):
        raise UIO2Error(f"end effector {tool!r} is unknown: 0 is suction, 1 is spatula")
    state = np.zeros(len(_TOOLS), np.float32)
    state[tool] = 1
    return state


def tool_of(state: np.ndarray) -> int:
    """Inverse of `state_of`."""
    return int(np.argmax(state))


def _action(first: tuple[np.ndarray, float], second: tuple[np.ndarray, float]) -> dict[str, np.ndarray]:
    """The action of two (position, yaw)."""
    action = {}
    for pose, (position, yaw) in enumerate((first, second)):
        action[f"pose{pose}_position"] = np.asarray(position).astype(np.float32)
        action[f"pose{pose}_rotation"] = quaternion_of(yaw)
    return action


def _turn(action: Mapping[str, np.ndarray]) -> float:
    """Return by how many degrees the object is turned about the vertical, in (-180, 180]."""
    (_, _, z0, w0), (_, _, z1, w1) = (np.asarray(action[f"pose{i}_rotation"], float) for i in (0, 1))
    degrees = math.degrees(2 * (math.atan2(z1, w1) - math.atan2(z0, w0)))
    return 180 - (180 - degrees) % 360


def _contrast(thing: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> int:
    """1 taller, 2 shorter, 3 darker, 4 lighter than the one other of its shape; 0 where that is not so."""
    others = [other for other in objects if other["name"] == thing["name"] and other is not thing]
    if len(others) != 1:
        return 0
    (other,) = others
    if thing["texture"] == other["texture"]:
        taller = thing["size"][2] / other["size"][2]
        return 1 if taller > _TALLER else 2 if taller < 1 / _TALLER else 0
    dark = [each["texture"].startswith("dark ") for each in (thing, other)]
    return 0 if dark[0] == dark[1] else 3 if dark[0] else 4


def _facing_bins(direction: Sequence[float] | np.ndarray) -> np.ndarray:
    """Bins [2] of a direction's cosine and sine."""
    return value_to_bin((np.clip(direction, -1, 1) + 1) / 2)


def _with_number(text: str) -> str:
    return text if ":" in text else f"0: {text}"
