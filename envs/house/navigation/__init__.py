"""Where a body can be and how it gets there: obstacles on the floor, a grid of free places, short ways."""

from envs.house.navigation.grid import NavigationGrid as NavigationGrid
from envs.house.navigation.obstacles import Footprint as Footprint
from envs.house.navigation.obstacles import Obstacles as Obstacles
