"""What suites say of houses: levels, by the number of rooms, metrics, and how a person sees them.

Loads nothing, so that listing suites loads no simulator.
"""

from collections.abc import Mapping
from typing import Any

ROOMS: Mapping[str, tuple[int, int]] = {"small": (1, 2), "medium": (3, 5), "large": (6, 20)}
"""Level → fewest and most rooms."""
LEVELS: Mapping[str, tuple[str, ...]] = dict.fromkeys(ROOMS, ())
"""Level → other names: there are none."""
SHOWN_METRICS = ("spl", "distance_to_goal")
"""What tables show of the metrics of navigation."""


def played_by_a_person(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an environment is made with when a person plays: large pictures, and colours alone."""
    return {"size": 512, "sensors": ()}
