"""How a navigation mesh is made: habitat-sim's settings, checked before anything is built with them."""

import math
from dataclasses import dataclass, fields

from envs.errors import EnvError


@dataclass(frozen=True)
class NavMeshSettings:
    """The body and the cells. Lengths in metres, the slope in degrees; the names are habitat-sim's.

    Raises EnvError for numbers that habitat-sim would refuse with nothing but False.
    """

    agent_height: float = 1.5
    agent_radius: float = 0.1
    agent_max_climb: float = 0.2
    cell_size: float = 0.05
    cell_height: float = 0.2
    region_min_size: float = 20.0
    """Islands of less than this squared, in cells, are left out."""
    region_merge_size: float = 20.0
    edge_max_error: float = 1.3
    """How far a straightened border may be from the cells', in cells."""
    edge_max_len: float = 12.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            lowest = 1e-3 if field.name in ("cell_size", "cell_height", "agent_height") else 0.0
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= lowest):
                raise EnvError(
                    f"navigation mesh: {field.name}={value!r}, give a number of at least {lowest:g}"
                )
