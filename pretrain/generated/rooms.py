"""Views of a few coloured balls from cameras on a sphere around them, with the cameras' poses.

The geometry is true: a pose is polar angle θ, azimuth φ (radians) and distance r of a pinhole camera that
looks at the middle, z up; nearer balls are larger and cover those behind.
"""

import numpy as np

from pretrain.generated.shapes import COLOURS

_FOCAL = 1.1
"""In sides of the picture."""
_FLOOR, _SKY = (150, 140, 125), (185, 205, 225)


def balls(rng: np.random.Generator, count: int) -> list[tuple[np.ndarray, float, str]]:
    """Return so many balls: middle [3], radius, colour."""
    colours = rng.permutation(list(COLOURS))[:count]
    found = []
    for colour in colours:
        radius = rng.uniform(0.12, 0.25)
        found.append((np.array([*rng.uniform(-0.6, 0.6, 2), rng.uniform(-0.3, 0.4)]), radius, str(colour)))
    return found


def drawn_pose(rng: np.random.Generator) -> np.ndarray:
    """Return a camera's pose [3]: θ, φ, r."""
    return np.array([rng.uniform(0.7, 1.4), rng.uniform(-np.pi, np.pi), rng.uniform(1.6, 2.2)])


def view(things: list[tuple[np.ndarray, float, str]], pose: np.ndarray, size: int) -> np.ndarray:
    """Return what a camera sees, uint8 [size, size, 3]."""
    polar, azimuth, distance = pose
    outward = np.array([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    up = np.cross(outward, right)
    rows, columns = np.mgrid[:size, :size]
    across, down = (columns + 0.5) / size - 0.5, (rows + 0.5) / size - 0.5
    image = np.empty((size, size, 3), np.uint8)
    goes_down = -up[2] * down / _FOCAL - outward[2] < 0  # and meets the floor
    image[:] = np.where(goes_down[..., None], np.array(_FLOOR, np.uint8), np.array(_SKY, np.uint8))
    placed = []
    for middle, radius, colour in things:
        seen = middle - distance * outward
        depth = -seen @ outward
        placed.append((depth, _FOCAL * (seen @ right) / depth, -_FOCAL * (seen @ up) / depth, radius, colour))
    for depth, x, y, radius, colour in sorted(placed, key=lambda item: -item[0]):
        away = np.hypot(across - x, down - y) / (_FOCAL * radius / depth)
        shade = (1 - 0.5 * away**2).clip(0, 1)[..., None] * np.array(COLOURS[colour])
        image = np.where((away < 1)[..., None], shade.astype(np.uint8), image)
    return image
