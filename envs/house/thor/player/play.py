"""Being a player: the loop of states and actions between a session and its Controller.

It ends when its Controller does. Ctrl-C is left to the Controller that started it; a player started by hand
stops at it.
"""

import os
import signal
import sys
from collections.abc import Mapping

from envs.errors import EnvError
from envs.house.objects.sizes import AssetSizes
from envs.house.thor import actions  # noqa: F401  (registers the actions)
from envs.house.thor.pictures import Painter
from envs.house.thor.player.messages import message
from envs.house.thor.player.wsgi import Form
from envs.house.thor.session import Session
from envs.house.thor.settings import MOST_PIXELS


def play(
    *,
    width: int = 300,
    height: int = 300,
    headless: bool = False,
    assets: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Play until the Controller ends.

    Arguments:
        width, height: of the pictures, until the Controller asks for others.
        headless: True draws nothing.
        assets: a JSON table, asset id → {"type", "size": [x, y, z]}, for boxes as large as AI2-THOR's.
        environment: where the Controller says how it is talked to, in AI2THOR_* variables.

    Raises EnvError where no Controller is there, or it refuses this player.
    """
    if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS):
        raise EnvError(f"width={width} height={height}: pictures have 1 to {MOST_PIXELS} pixels a side")
    if environment.get("AI2THOR_CLIENT_TOKEN"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sizes = AssetSizes.read(assets) if assets else None
    channel = session = None
    try:
        channel = _channel(environment)
        session = Session(width, height, sizes)
        session.drawing = not headless
        painter = Painter(session)
        while (command := channel.exchange(message(session, painter))) is not None:
            session.step(command)
    except ConnectionError as error:
        raise EnvError(f"thor-player: {error}") from error
    finally:
        for each in (channel, session):
            if each is not None:
                each.close()


def _channel(environment: Mapping[str, str]):
    """What leads to the Controller."""
    kind = environment.get("AI2THOR_SERVER_TYPE", "")
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
        "thor-player: no Controller has started this (AI2THOR_SERVER_TYPE is neither FIFO nor WSGI); "
        'one does with Controller(local_executable_path="uio2 thor-player", x_display=":99", scene=house)'
    )


def command_line() -> str:
    """Return what starts this player in any folder: for `Controller(local_executable_path=...)`."""
    return f"{sys.executable} -m envs.house.thor.player"
