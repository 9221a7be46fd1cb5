"""What a house file, or an action in a house, can be refused for."""

from envs.errors import EnvError


class HouseError(EnvError):
    """A house cannot be built; the text names file, key and remedy."""
