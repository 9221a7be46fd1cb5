"""The environment that household tasks share: navigation's body with a hand.

Beside the six moves it picks things up, puts down what is in its hand, opens and closes, each by a point of
the picture. What can be done to what, and what is said where it cannot, is AI2-THOR's (`envs.house.thor`).
What fails changes nothing but the count of steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

import envs.house.thor.handling
import envs.house.thor.switching  # noqa: F401  (both register their actions)
from envs.errors import EnvError, shown
from envs.house.experts.pointing import Aim
from envs.house.schema import House
from envs.house.tasks import navigation
from envs.house.tasks.body import DOWN, LEFT, RIGHT, UP
from envs.house.tasks.levels import INFORMED
from envs.house.tasks.navigation import NavigationEnv
from envs.house.thor.agent import Agent
from envs.house.thor.settings import Settings
from envs.inputs import numbers, whole_number

PICK, PUT, OPEN, CLOSE = range(len(navigation.ACTIONS), len(navigation.ACTIONS) + 4)
ACTIONS = (*navigation.ACTIONS, "pick up", "put", "open", "close")
INTERACTIONS: Mapping[int, str] = {
    PICK: "PickupObject",
    PUT: "PutObject",
    OPEN: "OpenObject",
    CLOSE: "CloseObject",
}
"""Number → AI2-THOR's name."""
REACH = 1.5
"""Metres along the floor within which things are handled: AI2-THOR's default."""
_NOWHERE = (0.5, 0.5)


@dataclass(frozen=True)
class Act:
    """An action: its number in `ACTIONS`, and the point of the picture that it is about, where it is."""

    number: int
    point: tuple[float, float] = _NOWHERE
    """Across and down from the upper left, 0 to 1."""

    def given(self) -> dict[str, Any]:
        """Return it as the environment takes it."""
        return {"action": self.number, "point": np.array(self.point, np.float32)}


class HouseholdEnv(NavigationEnv):
    """Move and handle things in a house.

    An action is `{"action": number, "point": (across, down)}`: a number of `ACTIONS` and a point of the
    picture from its upper left, 0 to 1, which moves do not look at. `observation["holding"]` is 1 while
    something is in the hand, and `info["held"]` its kind, "" for nothing. `info["message"]` says why the
    last action failed, in AI2-THOR's words; "" where it did not.

    Arguments:
        arguments: see NavigationEnv.
    """

    embodiment = "household"
    expert_styles = (INFORMED,)
    _kept = (*NavigationEnv._kept, "_message", "_failed")

    def _actions(self) -> gymnasium.Space:
        box = gymnasium.spaces.Box(0, 1, (2,), np.float32)
        return gymnasium.spaces.Dict({"action": gymnasium.spaces.Discrete(len(ACTIONS)), "point": box})

    def _more_spaces(self) -> dict[str, gymnasium.Space]:
        return {"holding": gymnasium.spaces.Box(0, 1, (1,), np.float32)}

    def _more(self) -> dict[str, np.ndarray]:
        return {"holding": np.array([self._simulator.held is not None], np.float32)}

    def _move_in(self, house: House) -> None:
        super()._move_in(house)
        settings = Settings(reach=REACH, fov=self.body.vertical_fov)
        self._agent = Agent(self._simulator, settings, self.camera.width, self.camera.height)

    def _place(self) -> None:
        self._message, self._failed = "", 0
        super()._place()

    def _action(self, action: Any) -> Act:
        if not isinstance(action, Mapping) or set(action) != {"action", "point"}:
            raise EnvError(
                'an action is {"action": number, "point": (across, down)}, '
                f"its number one of {', '.join(f'{n} {word}' for n, word in enumerate(ACTIONS))}; "
                f"got {shown(action)}"
            )
        what = f'action["action"] ({", ".join(ACTIONS)})'
        number = whole_number(action["action"], what, 0, len(ACTIONS) - 1)
        x, y = numbers(action["point"], 'action["point"]', (2,), 0.0, 1.0)
        return Act(number, (float(x), float(y))) if number in INTERACTIONS else Act(number)

    def _do(self, act: Act) -> None:
        self._message = ""
        if act.number in INTERACTIONS:
            self._message = self._handle(INTERACTIONS[act.number], act.point)
            self._failed += bool(self._message)
        else:
            super()._do(act.number)

    def _handle(self, name: str, point: tuple[float, float]) -> str:
        """Carry out AI2-THOR's action on what is at a point of the picture; return why it failed, or ""."""
        outcome = self._agent.step({"action": name, "x": point[0], "y": point[1]})
        return "" if outcome.success else outcome.message or f"{name} failed"

    def _expert_action(self) -> dict[str, Any] | None:
        act = super()._expert_action()
        return None if act is None else act.given()

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        info["metrics"]["failed_interactions"] = float(self._failed)
        held = self._simulator.held
        kind = "" if held is None else self._simulator.thing(held).type
        return {**info, "message": self._message, "held": kind}


def moves_of(aim: Aim) -> list[Act]:
    """Return the turns and tilts of an aim."""
    turns, tilts = (LEFT if aim.turns > 0 else RIGHT), (UP if aim.tilts > 0 else DOWN)
    return [Act(turns)] * abs(aim.turns) + [Act(tilts)] * abs(aim.tilts)
