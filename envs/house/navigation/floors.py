"""From a scene and what stands in it to the grid of free places."""

import numpy as np

from envs.house.navigation.grid import CELL, NavigationGrid
from envs.house.navigation.obstacles import Obstacles
from envs.house.scene import Scene


def navigation_grid(scene: Scene, obstacles: Obstacles, cell: float = CELL) -> NavigationGrid:
    """Return where the body of `obstacles` can stand: on a floor, its radius away from everything."""
    floors = [
        (np.array(thing.position[:2]) + part.position[:2], np.array(part.size[:2]) / 2)
        for thing in scene.things
        if thing.type == "Floor"
        for part in thing.parts
    ]
    if not floors:
        return NavigationGrid(np.zeros((0, 0), bool), (0.0, 0.0), cell)
    low = np.floor(np.min([centre - half for centre, half in floors], axis=0) / cell)
    high = np.ceil(np.max([centre + half for centre, half in floors], axis=0) / cell)
    xs, ys = (np.arange(low[axis], high[axis] + 1) * cell for axis in (0, 1))
    floor = np.zeros((len(xs), len(ys)), bool)
    for centre, half in floors:
        i = slice(*np.searchsorted(xs, (centre[0] - half[0] - 1e-6, centre[0] + half[0] + 1e-6)))
        j = slice(*np.searchsorted(ys, (centre[1] - half[1] - 1e-6, centre[1] + half[1] + 1e-6)))
        floor[i, j] = True
    radius = obstacles.body.radius
    touched, close, deep = obstacles.marks(xs, ys, (radius, radius + cell, max(radius - cell, 0.0)))
    return NavigationGrid(floor & ~touched, (xs[0], ys[0]), cell, ~close, deep)
