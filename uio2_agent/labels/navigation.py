"""Where an agent is and what it did, as text: `<image_history_j> ( X Z Y ) action` for each past step, then
`<image_input> ( X Z Y )`; a goal is `( X Z )`.

X and Z are positions on the ground, (p + reach) / (2 reach), Y is the yaw, (a + pi) / (2 pi). The reach of
50 m makes a bin 0.1 m; a data set of small rooms may set a smaller one and must name it in its configuration.
Unusual: brackets are words of their own and steps are joined by one space, because special tokens are
recognised at word starts only. Which words are actions is the simulator's matter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import LOCATION, Range, values_in, write_values
from uio2_agent.text.vocabulary import HISTORY_MARKERS

REACH = 50.0
"""Metres from the origin to the end of the scale."""
_YAW = Range(-np.pi, np.pi)
_STATE = rf"\( ({LOCATION} {LOCATION} {LOCATION}) \)"
_GOAL = re.compile(rf"\( ({LOCATION} {LOCATION}) \)")
_PAST = re.compile(rf"<image_history_\d+> {_STATE} ([^<(]+?)(?= <image_|$)")
_NOW = re.compile(rf"<image_input> {_STATE}")
_ANSWER = re.compile(rf"\s*(?:{_STATE})?\s*([^<(]*?)[\s.]*")


@dataclass(frozen=True)
class AgentState:
    """Position in metres and yaw in radians."""

    x: float
    z: float
    yaw: float


def write_state(state: AgentState, reach: float = REACH) -> str:
    """Write `( X Z Y )`; positions beyond the reach are clipped, the yaw is taken modulo a full turn.

    Raises UIO2Error if a number is not finite, or the reach is not positive.
    """
    turn = (state.yaw + np.pi) % (2 * np.pi) - np.pi
    return _bracket([*_ground(reach).to_fractions([state.x, state.z]), _YAW.to_fractions(turn)])


def write_goal(x: float, z: float, reach: float = REACH) -> str:
    """Write `( X Z )` of a goal in metres."""
    return _bracket(_ground(reach).to_fractions([x, z]))


def read_goal(text: str, reach: float = REACH, released: bool = False) -> tuple[float, float] | None:
    """Read the first goal in a text, x and z in metres; None if there is none."""
    match = _GOAL.search(text)
    if match is None:
        return None
    x, z = _ground(reach).to_numbers(values_in(match[1], released)).tolist()
    return x, z


def write_trajectory(past: Sequence[tuple[AgentState, str]], now: AgentState, reach: float = REACH) -> str:
    """Write past steps (state, then the action taken there), earliest first, and the present state."""
    if len(past) > HISTORY_MARKERS:
        raise UIO2Error(f"{len(past)} past steps, but a request holds {HISTORY_MARKERS} earlier frames")
    steps = [
        f"<image_history_{number}> {write_state(state, reach)} {_word(action)}"
        for number, (state, action) in enumerate(past, 1)
    ]
    return " ".join([*steps, f"<image_input> {write_state(now, reach)}"])


def read_trajectory(
    text: str, reach: float = REACH, released: bool = False
) -> tuple[list[tuple[AgentState, str]], AgentState | None]:
    """Read past steps and the present state (None if it is not there) from a text."""
    past = [(_state(match[1], reach, released), match[2].strip()) for match in _PAST.finditer(text)]
    now = _NOW.search(text)
    return past, None if now is None else _state(now[1], reach, released)


def write_step(action: str, state: AgentState | None = None, reach: float = REACH) -> str:
    """Write an answer: the action, after the state if that was asked for."""
    return _word(action) if state is None else f"{write_state(state, reach)} {_word(action)}"


def read_step(
    text: str, actions: Sequence[str], reach: float = REACH, released: bool = False
) -> tuple[str | None, AgentState | None]:
    """Read an answer: which of the actions it names (None if none of them), and the state if it gives one.

    Case, a full stop and outer spaces do not matter; otherwise an action must be the whole answer.
    """
    match = _ANSWER.fullmatch(text)
    if match is None:
        return None, None
    state = None if match[1] is None else _state(match[1], reach, released)
    known = {action.lower(): action for action in actions}
    return known.get(match[2].lower()), state


def _ground(reach: float) -> Range:
    if not 0 < reach < np.inf:
        raise UIO2Error(f"the reach of positions must be a positive number of metres, got {reach}")
    return Range(-reach, reach)


def _bracket(fractions: Sequence[float] | np.ndarray) -> str:
    return f"( {write_values(np.asarray(fractions)[None])} )"


def _state(triple: str, reach: float, released: bool) -> AgentState:
    x, z, yaw = values_in(triple, released)
    ground = _ground(reach)
    return AgentState(float(ground.to_numbers(x)), float(ground.to_numbers(z)), float(_YAW.to_numbers(yaw)))


def _word(action: str) -> str:
    if not action.strip() or set(action) & set("<>()"):
        raise UIO2Error(f"an action is words without brackets; {action!r} is not: rename it")
    return action.strip()
