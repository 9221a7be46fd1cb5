"""Levels of houses, by the number of rooms. Loads nothing, so that listing suites loads no simulator."""

from collections.abc import Mapping

ROOMS: Mapping[str, tuple[int, int]] = {"small": (1, 2), "medium": (3, 5), "large": (6, 20)}
"""Level → fewest and most rooms."""
LEVELS: Mapping[str, tuple[str, ...]] = dict.fromkeys(ROOMS, ())
"""Level → other names: there are none."""
