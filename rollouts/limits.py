"""Time limits: how long a decision, a step of an environment and an episode may take.

Unusual: code that hangs in a compiled library holds the interpreter, so no Python of the same process can
stop it. The clock is the system's timer, and its signal needs none: faulthandler adds lines to a note and the
process ends. So limits hold in worker processes, which are replaced, and whoever replaces one reads the note.
The timer is the process's only ITIMER_REAL: a policy or environment must not use SIGALRM while it is watched.

It refuses to know what work is and how processes are started.
"""

import faulthandler
import json
import math
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rollouts.errors import RolloutError

AUTO = "auto"
DECISION_S, EPISODE_S = 600.0, 3600.0
"""Limits of worker processes where none are asked for, seconds."""

_DOING = {
    "reset": "making and resetting the environment",
    "policy": "a decision",
    "step": "a step of the environment",
    "close": "closing the environment",
}
_FOR_EVER_S = 1e8  # three years; a clock cannot be set to every number


class Timed(Protocol):
    """What an episode shows the clock."""

    work: Any
    """Has an `index`, its place in the work list."""
    timings: dict[str, float]
    """Seconds spent so far, by phase."""


Watch = Callable[[str, Sequence[Timed]], AbstractContextManager[None]]
"""Called with a phase and the episodes it is for, around each call into somebody's code."""


def unwatched(phase: str, episodes: Sequence[Timed]) -> AbstractContextManager[None]:
    """Watch nothing."""
    return nullcontext()


@dataclass(frozen=True)
class Limits:
    """Seconds; None is the default of worker processes, infinity is no limit."""

    decision: float | None = None
    """Of one call of the policy, which may decide for several episodes, and of one reset or step."""
    episode: float | None = None
    """Of what an episode takes by itself: its resets, steps and its share of the decisions."""

    @classmethod
    def read(cls, decision_timeout: Any, episode_timeout: Any) -> "Limits":
        """From settings: `auto`, seconds, or 0 for no limit; RolloutError for anything else."""
        return cls(
            _seconds("decision_timeout", decision_timeout), _seconds("episode_timeout", episode_timeout)
        )

    @property
    def asked(self) -> bool:
        """Whether somebody named a limit, which takes a process that can be ended."""
        return any(limit is not None and limit < math.inf for limit in (self.decision, self.episode))

    def settled(self) -> tuple[float, float]:
        """Return the limits of a worker process: of a decision and of an episode."""
        return (
            DECISION_S if self.decision is None else self.decision,
            EPISODE_S if self.episode is None else self.episode,
        )


def _seconds(name: str, value: Any) -> float | None:
    if value == AUTO:
        return None
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RolloutError(f"{name} takes seconds, 0 for no limit, or {AUTO}; found {value!r}")
    return seconds if 0 < seconds < _FOR_EVER_S else math.inf


class Clock:
    """A `Watch` that ends this process when a limit has passed, and leaves a note that says so."""

    def __init__(self, limits: Limits, note: Path):
        self._decision, self._episode = limits.settled()
        try:
            self._note = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)  # open while the process lives
        except OSError:  # this machine is not the one that reads it
            self._note, name = tempfile.mkstemp()
            os.unlink(name)
        self._width = 0
        # where the signal went before is where it goes on to: the system ends the process
        faulthandler.register(signal.SIGALRM, file=self._note, all_threads=True, chain=True)

    @contextmanager
    def __call__(self, phase: str, episodes: Sequence[Timed]) -> Iterator[None]:
        """Give the block its time. Raises TimeoutError where an episode has none left."""
        left = min((self._episode - sum(e.timings.values()) for e in episodes), default=math.inf)
        if left <= 0:
            raise TimeoutError(f"the episode took longer than episode_timeout={self._episode:g} s")
        left *= max(len(episodes), 1)  # they share what the block takes
        if self._decision <= left:
            said = f"{_DOING[phase]} took longer than decision_timeout={self._decision:g} s"
        else:
            said = f"the episode took longer than episode_timeout={self._episode:g} s, in {_DOING[phase]}"
        seconds = min(self._decision, left)
        if seconds < math.inf:
            about = {"said": said, "episodes": [e.work.index for e in episodes]}
            self._write(json.dumps(about).encode())
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        except KeyboardInterrupt:  # nobody presses Ctrl-C in a worker process: it is the policy's own
            raise RuntimeError("KeyboardInterrupt was raised") from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _write(self, about: bytes) -> None:
        """Begin the note with a line, which the stacks follow. A file cut short and written anew takes ten
        times as long.
        """
        if len(about) > self._width:
            self._width = len(about)
            os.lseek(self._note, self._width + 1, os.SEEK_SET)
        os.pwrite(self._note, about.ljust(self._width) + b"\n", 0)


@dataclass(frozen=True)
class Overrun:
    """Why a clock ended its process."""

    said: str
    episodes: tuple[int, ...]
    """Places in the work list of the episodes the call was for; none where it was for no episode."""


def overrun(note: Path) -> Overrun | None:
    """Return what the note of a process that ended says; None if it ended for another reason."""
    try:
        about, _, rest = note.read_text(encoding="utf-8", errors="replace").partition("\n")
    except OSError:
        return None
    if not rest:  # nobody dumped the threads' stacks under it
        return None
    facts = json.loads(about)
    return Overrun(facts["said"], tuple(facts["episodes"]))
