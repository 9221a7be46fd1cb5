"""`python -m envs.house.thor.player`: the player alone, for a Controller to start."""

import sys

from envs.errors import EnvError
from envs.house.thor.player.play import main

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EnvError as error:
        sys.exit(str(error))
