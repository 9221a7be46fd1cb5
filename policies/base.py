"""What a policy is: something that maps running episodes to actions, several episodes at a time.

A *slot* is a number that names one running episode. State belongs to slots, so one policy (one model) serves
many episodes at once, each starting and ending on its own. Refuses to know where episodes come from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Step:
    """A slot that waits for an action."""

    slot: int
    observation: Mapping[str, Any]
    """What `reset` or the last `step` of the slot's environment returned."""
    info: Mapping[str, Any]


class PolicyLost(Exception):
    """Whoever decides is gone: no fault of the environments, and their episodes are played again."""


class Policy(ABC):
    """Base class of policies, ours and other people's."""

    name: str = "policy"
    """What tables, pages and datasets call this policy; that of a class which does not say is the class's."""
    waited: float = 0.0
    """Seconds of the last `act` in which it waited for others, so that they are not the steps' own."""

    names_files: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Arguments that name files, folders or policies, which count by what they hold when a run goes on; and
    the words among their values that name none."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.name == Policy.name:
            cls.name = cls.__name__

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:  # noqa: B027
        """Begin a new episode in `slot`; forget the one before. Stateless policies need not override it."""

    @abstractmethod
    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        """Return one action per step, in order. The caller executes each of them."""

    def played(self, slot: int, action: Any) -> None:  # noqa: B027
        """Tell that another action than the one `act` last returned for `slot` was executed. Policies that
        remember what they did override it.
        """

    def answer(self, slot: int) -> Any | None:
        """Return the model's last decoded `Answer` for `slot`; None for policies without a model."""
        return None

    def action_text(self, slot: int) -> str | None:
        """Return the text of the action that `act` last returned for `slot`, as the model chose it; None for
        policies that think in numbers, whose actions the embodiment writes.
        """
        return None
