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

INFORMED, EXPLORER = EXPERT_STYLES = ("informed", "explorer")
"""What an expert goes by: the house as it is, or what the body has seen of it."""


def demonstration_options(env_kwargs: Mapping[str, Any], style: str | None) -> dict[str, Any]:
    """Return what an environment is made with for the expert of a style."""
    return {} if style is None else {"expert_style": style}


def played_by_a_person(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an environment is made with when a person plays: large pictures, and colours alone."""
    return {"size": 512, "sensors": ()}
