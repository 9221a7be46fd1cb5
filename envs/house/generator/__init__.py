"""Houses of our own: a seed and a room specification give a furnished house file."""

from envs.house.generator.generate import generate_house as generate_house
from envs.house.generator.specs import known_specs as known_specs
from envs.house.generator.specs import room_spec as room_spec
