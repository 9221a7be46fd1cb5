"""Relative camera poses as four location tokens: polar angle, sine and cosine of the azimuth, radius.

Unusual: the azimuth is read from both numbers, so their lengths need not fit. Refuses to know what the camera
looks at, and the unit of the radius.
"""

import numpy as np

from uio2_agent.labels.locations import Range, checked, read_values, write_values

NUMBERS = 4
RANGE = Range(np.array([-np.pi, -1.0, -1.0, -0.7]), np.array([np.pi, 1.0, 1.0, 0.7]))
"""Change of the polar angle in radians, sine and cosine of the change of azimuth, change of radius."""


def write_camera_poses(poses: np.ndarray) -> str:
    """Write pose changes [n, 3]: polar angle and azimuth in radians, radius; clipped to their ranges.

    Raises UIO2Error if the last axis is not 3, or a number is not finite.
    """
    polar, azimuth, radius = checked(poses, 3, "camera poses").T
    numbers = np.stack([polar, np.sin(azimuth), np.cos(azimuth), radius], axis=1)  # [n, 4]
    return write_values(RANGE.to_fractions(numbers))


def read_camera_poses(text: str, released: bool = False) -> np.ndarray:
    """Read pose changes [n, 3]: polar angle, azimuth in [-pi, pi], radius."""
    polar, sine, cosine, radius = RANGE.to_numbers(read_values(text, NUMBERS, released)).T
    return np.stack([polar, np.arctan2(sine, cosine), radius], axis=1)
