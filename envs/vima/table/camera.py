"""The two agent cameras: true orthographic projections, and where a world point falls in each picture.

Unusual: +x of the world points down and +y right in both pictures; the front camera looks down at 45 degrees.
Refuses to know MuJoCo and objects.

Source: VIMA-Bench's camera configuration; its pinholes a kilometre away are orthographic to 0.1 px.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

HEIGHT, WIDTH = 128, 256
EYE_DISTANCE_M = 2.0
"""How far before a camera's centre its eye lies, from which depth is counted."""
NEAR_M, FAR_M = 0.5, 4.0
"""What is nearer to the eye or farther is not drawn."""

_ROOT_HALF = math.sqrt(0.5)
_HALF_PIXEL = 0.51 / HEIGHT / 2
"""The benchmark's rasteriser samples a pixel at its lower left corner, OpenGL in its middle; metres."""


@dataclass(frozen=True)
class OrthographicCamera:
    """A camera without perspective; `centre` is the world point in the middle of the picture."""

    centre: tuple[float, float, float]
    forward: tuple[float, float, float]
    up: tuple[float, float, float]
    extent: float
    """Metres the picture spans vertically."""

    @property
    def right(self) -> np.ndarray:
        return np.cross(self.forward, self.up)

    def project(self, points: np.ndarray, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
        """Map world points (..., 3) in metres to (..., 2) pixel coordinates (row, column), the picture's
        corner being 0, 0.
        """
        relative = np.asarray(points, float) - self.centre
        scale = height / self.extent
        row = height / 2 - scale * (relative @ np.asarray(self.up))
        column = width / 2 + scale * (relative @ self.right)
        return np.stack([row, column], -1)

    def fitted(self, height: int, width: int) -> OrthographicCamera:
        """Return the camera for pictures of another shape: pixels stay square and all that the benchmark's
        pictures show stays in sight, so a narrower picture shows more above and below.
        """
        return replace(self, extent=self.extent * max(1.0, height * WIDTH / (width * HEIGHT)))


CAMERAS: dict[str, OrthographicCamera] = {
    "front": OrthographicCamera(
        # row 80 shows (0.5, y, 0): the centre row 64 lies 16 / 177.78 m nearer along x
        centre=(0.41 + _HALF_PIXEL / _ROOT_HALF, -_HALF_PIXEL, 0.0),
        forward=(-_ROOT_HALF, 0.0, -_ROOT_HALF),
        up=(-_ROOT_HALF, 0.0, _ROOT_HALF),
        extent=0.50912,
    ),
    "top": OrthographicCamera(
        centre=(0.5 + _HALF_PIXEL, -_HALF_PIXEL, 0.0),
        forward=(0.0, 0.0, -1.0),
        up=(-1.0, 0.0, 0.0),
        extent=0.51,
    ),
}
VIEWS = tuple(CAMERAS)
"""In the order of pictures and observations."""
VIDEO_CAMERA = OrthographicCamera(
    centre=(0.47, 0.0, 0.06),
    forward=(-math.cos(math.radians(50)), 0.0, -math.sin(math.radians(50))),
    up=(-math.sin(math.radians(50)), 0.0, math.cos(math.radians(50))),
    extent=0.60,
)
"""An oblique view of the whole table with room above it for the tool."""
