"""A body that walks and looks: UIO-2's navigation, one action in words after each picture.

Requests tell the last views with the state and the action at each, `<image_history_j> ( X Z Y ) action`,
then `<image_input> ( X Z Y )`; the answer is the next action's words, or, where the style asks for the state
too, `( X Z Y ) action`: where the action takes the body, and the action. A state is where the body is from
where it began, and which way it looks. Where the body measures depth, that is one more picture: black at the
lens, white from `DEPTH_M` on; so is the map that it draws of what it has measured.

Source: Unified-IO 2 (arXiv 2312.17172), embodied tasks.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from policies.action_text import StepForm, locations_text
from policies.embodiments.base import Controls, Embodiment, Key, Track
from policies.moment import Moment
from policies.prompts import seen_boxes
from policies.style import PromptStyle
from uio2_agent.errors import UIO2Error
from uio2_agent.text.vocabulary import value_to_bin

ACTIONS = ("stop", "move ahead", "turn left", "turn right", "look up", "look down")
"""In the order of their numbers."""
STOP, AHEAD = 0, 1
STEP_M = 0.25
"""What a move ahead covers, metres, where nothing is in the way."""
_MIRROR = np.array([-1, 1, -1, 1, 1, -1, 1, -1, 1], np.float32)
"""What a mirror does to each column of a state."""
_TOLD = {"pointgoal": 2, "waypoint": 2, "in_sight": 1}
"""Keys of observations that a state holds after the pose, and how many numbers they are."""
_POSE = 4
"""Numbers of a state that say where the body is and looks."""
_SHORT_M = 1e-3
"""What a move may lack without having been held up."""
REACH_M = 20.0
"""Positions are told from -20 to 20 metres of where the body began: a bin is 4 cm."""


DEPTH_M = 10.0
"""What the depth picture shows as white, metres."""

_KEYS = tuple(
    Key(names, words, ACTIONS.index(words))
    for words, names in (
        ("move ahead", ("ArrowUp", "w")),
        ("turn left", ("ArrowLeft", "a")),
        ("turn right", ("ArrowRight", "d")),
        ("look up", ("PageUp", "r")),
        ("look down", ("PageDown", "f")),
        ("stop", (" ", "Enter")),
    )
)


class Navigation(Embodiment):
    """Moves by steps and turns; an action is its number in `ACTIONS`."""

    name = "navigation"
    cameras = ("front", "depth", "map")
    state_names = (
        *("x", "z", "yaw", "pitch", "goal_distance", "goal_direction"),
        *("way_distance", "way_direction", "in_sight"),
    )
    action_names = ("action",)
    fps = 5
    horizon = 1
    temperature = 0.7  # who always takes the likeliest step turns to and fro before an obstacle for ever
    numbers_steps = False
    forms = {word: StepForm(word) for word in ACTIONS}  # noqa: RUF012
    place_form = StepForm(3)
    symmetries = ("mirror left to right",)
    actions = ACTIONS
    """What it can do, in the order of the numbers."""

    def views(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        views = super().views(observation)
        if "depth" in observation:
            metres = np.asarray(observation["depth"]["front"])  # H W
            grey = np.rint(255 * np.clip(metres / DEPTH_M, 0, 1)).astype(np.uint8)
            views["depth"] = np.repeat(grey[..., None], 3, -1)
        if "map" in observation:
            views["map"] = np.moveaxis(observation["map"], 0, -1)
        return views

    def objects(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Of what is in sight: id, name (its kind), position (metres to the right of the body, ahead and up)
        and boxes; the map shows none. Empty where the camera tells nothing apart.
        """
        if "segm" not in observation:
            return []
        things = info["objects"]
        segmentation = {"front": np.asarray(observation["segm"]["front"]) + 1}  # 0 is nothing
        boxes = seen_boxes([thing["id"] + 1 for thing in things], segmentation)
        return [
            {
                "id": thing["id"],
                "name": _in_words(thing["type"]),
                "texture": "",
                "position": thing["position"],
                "boxes": {"front": box["front"], "depth": box["front"], "map": None},
            }
            for thing, box in zip(things, boxes, strict=True)
        ]

    def state(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
        """Metres to the right of and ahead of where it began, radians to the right and upwards; where a point
        goal is, metres and radians to the left, and the same of the next corner of the way that the map
        shows; 1 while what it looks for is in sight. Zeros for what the observation does not tell.
        """
        told = [observation.get(name, np.zeros(size)) for name, size in _TOLD.items()]
        return np.concatenate([observation["pose"], *told]).astype(np.float32)

    def observed(
        self, views: Mapping[str, np.ndarray], state: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        observation: dict[str, Any] = {"rgb": {"front": np.moveaxis(views["front"], -1, 0)}}
        if "depth" in views:
            observation["depth"] = {"front": views["depth"][..., 0] * (DEPTH_M / 255)}
        if "map" in views:
            observation["map"] = np.moveaxis(views["map"], -1, 0)
        ends = np.cumsum([_POSE, *_TOLD.values()])[:-1]
        numbers = np.split(state[: len(Navigation.state_names)], ends)
        return observation | dict(zip(("pose", *_TOLD), numbers, strict=True)), {}

    # actions

    def checked(self, action: Any) -> int:
        return self._number(action)

    def _number(self, value: Any) -> int:
        array, last = np.asarray(value), len(self.actions) - 1
        if array.dtype.kind not in "iu" or array.size != 1 or not 0 <= int(array.item()) <= last:
            raise UIO2Error(f"an action is a number from 0 to {last} ({', '.join(self.actions)})")
        return int(array.item())

    def vector(self, action: Any) -> np.ndarray:
        return np.array([action], np.float32)

    def action(self, vector: np.ndarray) -> int:
        return int(vector[0])

    def possible(self, vector: np.ndarray) -> np.ndarray:
        """The number is rounded."""
        return np.append(np.clip(np.rint(vector[:1]), 0, len(self.actions) - 1), vector[1:])

    def idle_action(self, state: np.ndarray) -> int:
        return STOP

    def random_action(self, state: np.ndarray, rng: np.random.Generator) -> int:
        return int(rng.integers(len(ACTIONS)))

    # action text

    def values(self, action: Any, state: np.ndarray) -> tuple[Hashable, Sequence[float]]:
        return ACTIONS[self.checked(action)], ()

    def from_values(self, kind: Hashable, values: np.ndarray) -> int:
        return ACTIONS.index(kind)

    # the way

    def track(self, states: Sequence[np.ndarray], actions: Sequence[Any]) -> Track:
        states = np.asarray(states, float)
        moved = np.linalg.norm(np.diff(states[:, :2], axis=0), axis=1)
        held_up = (np.asarray(actions, int) == AHEAD) & (moved < STEP_M - _SHORT_M)
        return Track(states[:, :2], states[:, 2], held_up)

    # symmetries, labels

    def changed(self, moment: Moment, flags: Sequence[bool], cameras: Sequence[str]) -> Moment:
        """A house seen in a mirror is a house."""
        return _mirrored(moment) if flags[0] else moment

    def object_bins(self, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Where they are from the body, to the right and ahead."""
        shares = [[_share(metres) for metres in thing["position"][:2]] for thing in objects]
        return value_to_bin(np.array(shares, np.float64).reshape(-1, 2))

    # for people

    def describe(self, action: Any, state: np.ndarray) -> str:
        return ACTIONS[self.checked(action)]

    def controls(self, state: np.ndarray) -> Controls:
        return Controls("front", keys=_KEYS)

    def readout(self, state: np.ndarray) -> str:
        far, left = float(state[4]), round(math.degrees(float(state[5])))
        if far == 0 and left == 0:
            return ""
        side = f"{abs(left)}° to the {'left' if left > 0 else 'right'}" if left else "straight ahead"
        return f"goal {far:.2f} m away, {side}"

    # requests

    def style(self, small: bool = False) -> PromptStyle:
        """What the camera sees, with the last few views; for a small model the map it draws, few words."""
        if not small:
            return PromptStyle(views=("front",), told_steps=4, told_views=4)
        return PromptStyle(views=("map",), told_steps=3, wording="short", max_history=0)

    def state_text(self, state: np.ndarray) -> str:
        return place_text(state)

    def words(self, state: np.ndarray, style: PromptStyle) -> dict[str, str]:
        told = " ".join(text for text in (goal_text(state), way_text(state)) if text)
        return {"place": place_text(state), "goal": told, "actions": ", ".join(ACTIONS)}


def place_text(state: np.ndarray) -> str:
    """Write a state as `( X Z Y )`, location tokens.

    >>> place_text(np.zeros(6)).split()[0]
    '('
    """
    x, z, yaw = (float(value) for value in state[:3])
    return Navigation.place_form.write([_share(x), _share(z), (yaw + math.pi) / (2 * math.pi)])


def goal_text(state: np.ndarray) -> str:
    """Write where a point goal is as `( X Z )`, to the right and ahead of the body; empty without one."""
    far, left = float(state[4]), float(state[5])
    if far == 0 and left == 0:
        return ""
    return f"( {locations_text([_share(-far * math.sin(left)), _share(far * math.cos(left))])} )"


def way_text(state: np.ndarray) -> str:
    """Write where the next corner of the way is as `way ( R A )`, how far and in which direction, and "in
    sight" while what is looked for is; empty where the state tells neither.

    >>> way_text(np.array([0, 0, 0, 0, 0, 0, 0, 0, 1]))
    'in sight'
    """
    far, left, seen = (float(value) for value in state[6:9])
    told = [] if far == 0 else [f"way ( {locations_text([_share(far), (left + math.pi) / (2 * math.pi)])} )"]
    return " ".join([*told, "in sight"] if seen else told)


def _mirrored(moment: Moment) -> Moment:
    """The moment in a house that is the mirror image of this one."""
    return dataclasses.replace(
        moment,
        state=moment.state * _MIRROR,
        views=_flipped(moment.views),
        first_views=None if moment.first_views is None else _flipped(moment.first_views),
        goal=None if moment.goal is None else np.ascontiguousarray(moment.goal[:, ::-1]),
        executed=[_swapped(text) for text in moment.executed],
        past_states=[state * _MIRROR for state in moment.past_states],
        past_views=[_flipped(views) for views in moment.past_views],
        remaining=[_swapped(text) for text in moment.remaining],
        next_state=None if moment.next_state is None else moment.next_state * _MIRROR,
        objects=None
        if moment.objects is None
        else [_across(thing, moment.views) for thing in moment.objects],
    )


def _flipped(views: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {camera: np.ascontiguousarray(view[:, ::-1]) for camera, view in views.items()}


def _swapped(text: str) -> str:
    return re.sub(r"\b(left|right)\b", lambda word: "right" if word[0] == "left" else "left", text)


def _across(thing: Mapping[str, Any], views: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """An object in the mirror: on the other side of the body, and of each picture."""
    right, *rest = thing["position"]
    boxes = dict(thing["boxes"])
    for camera, box in boxes.items():
        if box is not None and camera in views:
            top, first, bottom, last = box
            end = views[camera].shape[1] - 1
            boxes[camera] = [top, end - last, bottom, end - first]
    return {**thing, "position": [-right, *rest], "boxes": boxes}


def _in_words(kind: str) -> str:
    """Split a name in capitals: `AlarmClock` is "alarm clock"."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).strip()


def _share(metres: float) -> float:
    return min(max((metres + REACH_M) / (2 * REACH_M), 0.0), 1.0)


NAVIGATION = Navigation()
