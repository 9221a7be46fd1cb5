"""What a body in a house can do, and its measures."""

from collections.abc import Sequence
from dataclasses import dataclass

STOP, AHEAD, LEFT, RIGHT, UP, DOWN = range(6)
ACTIONS = ("stop", "move ahead", "turn left", "turn right", "look up", "look down")


@dataclass(frozen=True)
class Body:
    """A body's measures and its steps. Lengths in metres, angles in degrees."""

    radius: float = 0.2
    height: float = 1.8
    eye: float = 1.576
    step: float = 0.25
    turn: float = 30.0
    tilt: float = 30.0
    pitch_limits: tuple[float, float] = (-60.0, 30.0)
    vertical_fov: float = 65.0


def actions_of(headings: Sequence[int], turns: int) -> list[int]:
    """Return the turns and moves that follow a route's headings, of which a circle has `turns`."""
    actions, heading = [], 0
    for each in headings:
        actions += [*_turns(heading, each, turns), AHEAD]
        heading = each
    return actions


def _turns(now: int, wanted: int, turns: int) -> list[int]:
    left = (wanted - now) % turns
    return [LEFT] * left if left <= turns // 2 else [RIGHT] * (turns - left)
