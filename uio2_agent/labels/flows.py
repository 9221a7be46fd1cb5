"""Optical flow as a picture: the direction of a movement is the hue, its length the saturation.

Still is white; to the right is red, then, turning down and on, yellow, green, cyan, blue, magenta. The
colours are ours: Unified-IO 2 says that flow is a picture and not which.
"""

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.pictures import restore
from uio2_agent.media.geometry import Placement
from uio2_agent.media.pixels import to_fractions

_PEAKS = np.array([0.0, 2.0, 4.0])
"""Hue, in sixths of a turn, at which red, green and blue are full."""


def flow_picture(flow: np.ndarray, fastest: float) -> np.ndarray:
    """Draw movements [h, w, 2], pixels to the right and down, as uint8 [h, w, 3]; longer ones than `fastest`
    look like it.

    Raises UIO2Error for another shape, a number that is not finite, or a `fastest` that is not positive.
    """
    flow = np.asarray(flow, np.float64)
    _check_fastest(fastest)
    if flow.ndim != 3 or flow.shape[2] != 2 or not np.isfinite(flow).all():
        raise UIO2Error(f"flow must be finite [h, w, 2]; it is {list(flow.shape)}")
    strength = np.minimum(np.hypot(flow[..., 0], flow[..., 1]) / fastest, 1)[..., None]
    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (np.pi / 3))[..., None]
    away = np.abs((hue - _PEAKS + 3) % 6 - 3)  # from each colour's peak, 0 to 3
    full = (2 - away).clip(0, 1)
    return np.rint(255 * (1 - strength * (1 - full))).astype(np.uint8)


def read_flow(image: np.ndarray, fastest: float, placement: Placement | None = None) -> np.ndarray:
    """Return the movements, float64 [h, w, 2], of a picture; at its original size if a placement is given."""
    _check_fastest(fastest)
    pixels = restore(image, placement) if placement else to_fractions(np.asarray(image), "the flow")
    pixels = np.asarray(pixels, np.float64)
    most, least = pixels.max(-1), pixels.min(-1)
    strength = most - least
    red, green, blue = np.moveaxis((pixels - least[..., None]) / np.maximum(strength, 1e-9)[..., None], -1, 0)
    hue = np.select(
        [red >= np.maximum(green, blue), green >= blue], [green - blue, 2 + blue - red], 4 + red - green
    )
    turn = hue * np.pi / 3
    return fastest * strength[..., None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def _check_fastest(fastest: float) -> None:
    if not 0 < fastest < np.inf:
        raise UIO2Error(f"the largest movement must be a positive number of pixels, got {fastest}")
