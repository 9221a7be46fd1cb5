"""What Initialize settles: the body, its steps, its lens, and which pictures are made.

Source: the defaults of ai2thor 5.0's Initialize; heights of the eye as ProcTHOR's agents report them.
"""

from dataclasses import dataclass

from envs.house.navigation import Footprint

CENTRE = 0.9009992
"""Height of an agent's position above the floor, metres."""
CROUCH = 0.22
"""How much lower a crouching eye is."""
MOST_PIXELS = 4096
"""Along a side of a picture."""
NEAR, FAR = 0.1, 20.0
"""What depth pictures are measured between, metres."""


@dataclass(frozen=True)
class AgentMode:
    """One kind of body. Metres and degrees."""

    name: str
    eye: float
    """Height of the camera above the agent's position."""
    lowest: float
    """How far down it looks; `highest` is how far up, both positive."""
    highest: float
    fov: float
    crouches: bool
    footprint: Footprint


MODES = {
    "default": AgentMode("default", 0.675, 60.0, 30.0, 90.0, True, Footprint(0.2, 1.8)),
    "locobot": AgentMode("locobot", -0.0312, 30.0, 30.0, 60.0, False, Footprint(0.2, 0.95)),
}


@dataclass(frozen=True)
class Settings:
    """The parameters of Initialize that matter here, under our names."""

    mode: AgentMode = MODES["default"]
    eye: float = MODES["default"].eye
    grid: float = 0.25
    turn: float = 90.0
    reach: float = 1.5
    """AI2-THOR's visibilityDistance."""
    fov: float = MODES["default"].fov
    """Vertical, degrees."""
    snap: bool = True
    depth: bool = False
    instances: bool = False
    classes: bool = False
    move_noise: tuple[float, float] = (0.0, 0.0)
    """Mean and deviation of what is added to a move, metres."""
    turn_noise: tuple[float, float] = (0.0, 0.0)
