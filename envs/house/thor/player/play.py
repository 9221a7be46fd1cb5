"""Being a player: from Unity's command line and environment to the loop of states and actions.

It ends when its Controller does. Ctrl-C is left to the Controller that started it; a player started by hand
stops at it.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from envs.errors import EnvError
from envs.house.objects.sizes import AssetSizes
from envs.house.thor import actions  # noqa: F401  (registers the actions)
from envs.house.thor.pictures import Painter
from envs.house.thor.player.messages import message
from envs.house.thor.player.wsgi import Form
from envs.house.thor.session import Session

USAGE = """usage: uio2 thor-player [-screen-width W] [-screen-height H] [-assets FILE]

An AI2-THOR player without Unity. A Controller starts it:

    from ai2thor.controller import Controller
    Controller(local_executable_path="uio2 thor-player", x_display=":99", scene=house)

It gives the size and says in AI2THOR_* variables where it is to be talked to. FILE is a table of assets
(JSON, asset id -> {"type", "size": [x, y, z]}), for boxes as large as AI2-THOR's.
"""


def main(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Play until the Controller ends; return the exit status. EnvError for what it cannot start with."""
    if {"-h", "-help", "--help"} & set(words):
        print(USAGE)
        return 0
    given = _options(words)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if environment.get("AI2THOR_CLIENT_TOKEN"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        channel = _channel(environment)
    except ConnectionError as error:
        raise EnvError(f"thor-player: {error}") from error
    assets = given.get("assets")
    session = Session(
        int(given.get("screen-width", 300)),
        int(given.get("screen-height", 300)),
        AssetSizes.read(assets) if assets else None,
    )
    session.drawing = "batchmode" not in given
    painter = Painter(session)
    try:
        while (command := channel.exchange(message(session, painter))) is not None:
            session.step(command)
    except ConnectionError as error:
        raise EnvError(f"thor-player: {error}") from error
    finally:
        session.close()
        channel.close()
    return 0


def _options(words: Sequence[str]) -> dict[str, str]:
    """Read `-name value` and `-name`; Unity has more of them than are of use here."""
    found, words = {}, list(words)
    for place, word in enumerate(words):
        if word.startswith("-"):
            value = words[place + 1] if place + 1 < len(words) else ""
            found[word.lstrip("-")] = "" if value.startswith("-") else value
    for name in ("screen-width", "screen-height"):
        if not found.get(name, "1").isdigit() or not 1 <= int(found.get(name, "1")) <= 4096:
            raise EnvError(f"thor-player: -{name} takes a number from 1 to 4096, got {found[name]!r}")
    return found


def _channel(environment: Mapping[str, str]):
    kind = environment.get(
        "AI2THOR_SERVER_TYPE", "FIFO" if "AI2THOR_FIFO_SERVER_PIPE_PATH" in environment else ""
    )
    try:
        if kind == "FIFO":
            from envs.house.thor.player.fifo import Pipes

            return Pipes(
                environment["AI2THOR_FIFO_SERVER_PIPE_PATH"], environment["AI2THOR_FIFO_CLIENT_PIPE_PATH"]
            )
        if kind == "WSGI":
            host, port = environment["AI2THOR_HOST"], int(environment["AI2THOR_PORT"])
            return Form(host, port, environment.get("AI2THOR_CLIENT_TOKEN", ""))
    except KeyError as error:
        raise EnvError(f"thor-player: {kind} needs the variable {error.args[0]}") from error
    except ModuleNotFoundError as error:
        raise EnvError(f"thor-player: {error}: pip install 'uio2-agent[ai2thor]'") from error
    raise EnvError(
        "thor-player: no Controller has started this: AI2THOR_SERVER_TYPE is neither FIFO nor WSGI. "
        "uio2 thor-player --help shows how one does"
    )


def command_line() -> str:
    """Return what starts this player from any folder: for `Controller(local_executable_path=...)`."""
    return f"{sys.executable} -m envs.house.thor.player"
