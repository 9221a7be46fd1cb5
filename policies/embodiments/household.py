"""A body that walks, looks and handles things: navigation's actions, and four that are about a point of the
picture, `pick up ( <X> <Y> )`, `put ( … )`, `open ( … )`, `close ( … )`.

X and Y are where in the front camera's picture the thing is, from its upper left. What is picked up needs an
empty hand, what is put down a full one; so the grammar offers one or the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from policies.action_text import StepForm
from policies.embodiments import navigation
from policies.embodiments.base import Controls, Key, Track
from policies.embodiments.drawing import ACCENT, label, ring
from policies.embodiments.navigation import STOP, Navigation
from policies.style import PromptStyle
from uio2_agent.errors import UIO2Error

PICK_UP, PUT = "pick up", "put"
ACTIONS = (*navigation.ACTIONS, PICK_UP, PUT, "open", "close")
"""In the order of their numbers."""
POINTED = ACTIONS[len(navigation.ACTIONS) :]
"""Those that are about a point."""
_HANDS = ("e", "q", "o", "c")
"""The keys of `POINTED`."""
_LABEL = 70
"""Pixels that the longest word takes, at most."""
_HOLDING = len(Navigation.state_names)
_NOWHERE = np.array([0.5, 0.5], np.float32)


class Household(Navigation):
    """An action is `{"action": number in ACTIONS, "point": (across, down)}`, the point in 0…1; moves have one
    too, which means nothing.
    """

    name = "household"
    actions = ACTIONS
    state_names = (*Navigation.state_names, "holding")
    symmetries = ()
    action_names = ("action", "x", "y")
    forms = {  # noqa: RUF012
        **Navigation.forms,
        **{word: StepForm(word, 2) for word in POINTED},
    }

    # what environments return

    def state(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
        """Navigation's, and 1 while something is in the hand."""
        return np.append(super().state(observation, info), np.float32(observation["holding"][0]))

    def observed(
        self, views: Mapping[str, np.ndarray], state: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        observation, info = super().observed(views, state)
        return {**observation, "holding": state[_HOLDING:]}, info

    # actions

    def checked(self, action: Any) -> dict[str, Any]:
        if not isinstance(action, Mapping) or "action" not in action or "point" not in action:
            raise UIO2Error(
                f'an action is {{"action": number, "point": (across, down)}}, the number that of one of '
                f"{', '.join(ACTIONS)}"
            )
        number = self._number(action["action"])
        try:
            point = np.asarray(action["point"]).astype(np.float32).reshape(-1)
        except (TypeError, ValueError, OverflowError):
            point = np.empty(0)
        if point.shape != (2,) or not ((point >= 0) & (point <= 1)).all():
            raise UIO2Error(f"a point is two numbers from 0 to 1, across and down; got {action['point']!r}")
        return {"action": number, "point": point}

    def vector(self, action: Any) -> np.ndarray:
        return np.array([action["action"], *action["point"]], np.float32)

    def action(self, vector: np.ndarray) -> dict[str, Any]:
        return {"action": int(vector[0]), "point": np.array(vector[1:3], np.float32)}

    def possible(self, vector: np.ndarray) -> np.ndarray:
        """The number is rounded, the point brought into the picture."""
        number, *point = super().possible(vector)
        return np.array([number, *np.clip(point, 0, 1)], np.float32)

    def idle_action(self, state: np.ndarray) -> dict[str, Any]:
        return _action(STOP)

    def random_action(self, state: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
        """Any kind of step that the state allows; of those about a point, any point."""
        kinds = self.kinds(state)
        word = kinds[int(rng.integers(len(kinds)))]
        return _action(ACTIONS.index(word), rng.uniform(0, 1, 2) if word in POINTED else _NOWHERE)

    # action text

    def values(self, action: Any, state: np.ndarray) -> tuple[Hashable, Sequence[float]]:
        action = self.checked(action)
        word = ACTIONS[action["action"]]
        return word, action["point"] if word in POINTED else ()

    def from_values(self, kind: Hashable, values: np.ndarray) -> dict[str, Any]:
        return _action(ACTIONS.index(kind), values if kind in POINTED else _NOWHERE)

    def kinds(self, state: np.ndarray) -> Sequence[Hashable]:
        idle = PICK_UP if _holds(state) else PUT
        return tuple(word for word in ACTIONS if word != idle)

    # the way

    def track(self, states: Sequence[np.ndarray], actions: Sequence[Any]) -> Track:
        return super().track(states, [each["action"] for each in actions])

    # for people

    def controls(self, state: np.ndarray) -> Controls:
        """Navigation's keys; what is handled is what is in the middle of the picture."""
        moves = super().controls(state)
        keys = [replace(key, action=_action(key.action)) for key in moves.keys]
        for name, word in zip(_HANDS, POINTED, strict=True):
            keys.append(Key((name,), f"{word} (in the middle)", _action(ACTIONS.index(word))))
        return replace(moves, keys=keys)

    def describe(self, action: Any, state: np.ndarray) -> str:
        """Where in per cent of the picture, across and down."""
        word, point = self.values(action, state)
        return word if not len(point) else f"{word} at {100 * point[0]:.0f} %, {100 * point[1]:.0f} %"

    def draw(self, pen: Any, camera: str, size: tuple[int, int], action: Any, state: np.ndarray) -> None:
        """Ring the point and say what happens there."""
        word, point = self.values(action, state)
        if camera == "front" and len(point):
            place = float(point[0]) * size[1], float(point[1]) * size[0]
            ring(pen, place)
            beside = min(place[0] + 12, size[1] - _LABEL), max(place[1] - 26, 0.0)
            label(pen, beside, word, ACCENT)

    # requests

    def words(self, state: np.ndarray, style: PromptStyle) -> dict[str, str]:
        told = [word if word not in POINTED else f"{word} ( x y )" for word in self.kinds(state)]
        hand = self.wordings(style)["hands"][int(_holds(state))]
        return {**super().words(state, style), "hand": hand, "actions": ", ".join(told)}


def _action(number: int, point: np.ndarray = _NOWHERE) -> dict[str, Any]:
    return {"action": number, "point": np.array(point, np.float32)}


def _holds(state: np.ndarray) -> bool:
    return bool(state[_HOLDING] > 0.5)


HOUSEHOLD = Household()
