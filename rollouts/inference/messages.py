"""What goes to and fro between environments and the policy that decides for them.

Unusual: a value that is the same object as at the last step is not sent again, so that the pictures of a
prompt travel once an episode. It relies on what environments promise: what was handed out is not written to.
"""

from dataclasses import dataclass
from typing import Any

from rollouts.errors import RolloutError
from uio2_agent.request import Answer


@dataclass(frozen=True)
class Batching:
    """How decisions are made apart from the environments."""

    actors: int = 0
    """Processes that decide; 0 leaves each worker its own policy."""
    batch: int = 16
    """Most decisions in one call of the policy, but for a worker's own slots, which stay together."""
    wait: float = 0.01
    """Most seconds that a batch which is not full waits for those who have not asked yet."""

    def __post_init__(self) -> None:
        if self.actors < 0 or self.batch < 1 or self.wait < 0:
            raise RolloutError(
                f"inference={self.actors}, inference_batch={self.batch} and inference_wait={self.wait:g}: "
                "the second is at least 1, the others 0"
            )


@dataclass(frozen=True)
class Change:
    """What a step's observation or info has that the one before had not."""

    new: Any
    gone: tuple[str, ...] = ()
    whole: bool = True
    """Whether `new` is everything, whatever was before."""

    @classmethod
    def between(cls, before: Any, now: Any) -> "Change":
        """What is sent; `before` is None where the other side has nothing."""
        if type(now) is not dict or type(before) is not dict:
            return cls(now)
        new = {key: value for key, value in now.items() if key not in before or before[key] is not value}
        return cls(new, tuple(key for key in before if key not in now), whole=False)

    def after(self, before: Any) -> Any:
        """What it was made from, where the other side kept `before`."""
        if self.whole:
            return self.new
        return {**{key: value for key, value in before.items() if key not in self.gone}, **self.new}


@dataclass(frozen=True)
class Asked:
    """A step that waits for a decision."""

    slot: int
    """The worker's own number."""
    place: int
    """Of the episode in the work list."""
    spent: float
    """Seconds of the episode so far."""
    reset: tuple[Any, Any] | None
    """Observation and info that the episode began with, until the other side has answered for them."""
    played: tuple[Any, ...]
    """Actions that were executed instead of those decided."""
    observation: Change
    info: Change


@dataclass(frozen=True)
class Failure:
    """An exception, in the words of `uio2_agent.errors.described`."""

    said: str


@dataclass(frozen=True)
class Decision:
    """What the policy said of one step."""

    action: Any
    answer: Answer | Failure | None
    """Without its pictures and sounds: nobody asks for them here."""
    text: Any
    """As `Policy.action_text` returned it, or a Failure."""


@dataclass(frozen=True)
class Reply:
    """What comes back for the steps of one worker."""

    decisions: list[Decision] | Failure
    """In the order asked, or why there are none."""
    seconds: float = 0.0
    """The steps' share of the calls of the policy."""
    batch: int = 0
    """Steps that were decided together with them."""


@dataclass(frozen=True)
class Facts:
    """What everybody may know of the policy: `Policy.name`, and the hash of its vocabulary."""

    name: str
    vocabulary_hash: str


class Elsewhere(Exception):
    """An exception of another process; `said` is how it was described there."""

    def __init__(self, said: str):
        super().__init__(said)
        self.said = said
