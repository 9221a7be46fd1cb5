"""A body that acts in a simulator by AI2-THOR's actions: what they need to know, and what becomes of them.

Enough for the actions that handle things (`handling`, `switching`); a `Session` adds scenes, cameras and the
actions about them. Unusual: whatever an action raises becomes a failed action with a message, as in AI2-THOR,
so that nothing that is asked for ends what goes on.
"""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from envs.errors import EnvError
from envs.house.simulator import HouseSimulator
from envs.house.thor.errors import UNDEFINED, ActionError
from envs.house.thor.registry import Action, arguments, find
from envs.house.thor.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """What became of an action."""

    action: str = "Initialize"
    success: bool = True
    message: str = ""
    code: str = UNDEFINED
    returned: Any = None
    sequence: int = 0
    collided: tuple[str, ...] = ()
    """Ids of what stood in the way."""


class Agent:
    """A body in a simulator. It stands where the simulator's body stands.

    Arguments:
        simulator: where it acts.
        settings: its reach and its lens.
        width, height: of its pictures, in which actions may point at things.
    """

    def __init__(
        self, simulator: HouseSimulator, settings: Settings, width: int = 300, height: int = 300
    ) -> None:
        self.simulator, self.settings = simulator, settings
        self.width, self.height = width, height
        self.outcome = Outcome()
        self.collided: tuple[str, ...] = ()

    def step(self, command: Mapping[str, Any]) -> Outcome:
        """Carry out one action, {"action": name, ...}, and return what became of it."""
        name = command.get("action")
        self.collided = ()
        outcome = Outcome(str(name), sequence=_sequence(command, self.outcome.sequence))
        try:
            found = find(name)
            if command.get("agentId") not in (None, 0):
                raise ActionError(f"there is one agent here, agentId 0; got {command['agentId']}")
            returned = self._carry_out(found, command)
            self.outcome = replace(outcome, returned=returned, collided=self.collided)
        except (ActionError, EnvError) as error:
            code = error.code if isinstance(error, ActionError) else UNDEFINED
            self.outcome = replace(
                outcome, success=False, message=str(error), code=code, collided=self.collided
            )
        except Exception as error:  # a fault of ours must not end what a Controller has begun
            traceback.print_exc(file=sys.stderr)
            self.outcome = replace(outcome, success=False, message=f"{type(error).__name__}: {error}")
        return self.outcome

    def _carry_out(self, found: Action, command: Mapping[str, Any]) -> Any:
        return found.function(self, **arguments(found, command))


def _sequence(command: Mapping[str, Any], last: int) -> int:
    sequence = command.get("sequenceId", last + 1)
    return sequence if isinstance(sequence, int) else last + 1
