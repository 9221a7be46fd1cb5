"""`python -m envs.house.thor.player [assets=FILE]`: the player alone, for a Controller to start."""

import sys
from collections.abc import Sequence

from envs.errors import EnvError, unknown_name
from envs.house.thor.player.play import play
from envs.house.thor.player.words import as_keys

_READ = {"width": int, "height": int, "headless": "true".__eq__, "assets": str}


def main(words: Sequence[str]) -> None:
    given = {}
    for word in as_keys(words):
        name, _, value = word.partition("=")
        if name not in _READ:
            raise unknown_name("key", name, _READ)
        given[name] = _READ[name](value)
    play(**given)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (EnvError, ValueError) as error:
        sys.exit(f"thor-player: {str(error).removeprefix('thor-player: ')}")
    except KeyboardInterrupt:
        sys.exit(130)
