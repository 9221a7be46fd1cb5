"""`uio2 thor-player`: the embedded house in the place of AI2-THOR's Unity player (docs/thor.md)."""

from typing import Any


def main(config: dict[str, Any]) -> None:
    from envs.house.thor.player.play import play

    play(**config)
