"""A Controller that is kept alive: started with a limit on time, watched, and replaced once when it fails.

Unusual: a Controller that waits for a player which died before its first word waits for ever. So it is built
in a thread of its own, and freed by a false word when its player is gone or late.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import EnvError
from envs.procthor.ai2thor.troubles import INSTALL, INSTEAD, PlayerError, explained

_LOG = Path("~/.ai2thor/log/unity.log")
_LOG_BYTES = 2_000
_POLL_S = 0.05
_FALSE_WORD = b"\x00" * 5
"""The header of no field there is."""

_HANDLING = ("PickupObject", "PutObject", "OpenObject", "CloseObject")


@dataclass(frozen=True)
class Launch:
    """How AI2-THOR is started.

    Arguments:
        executable: the command line of a player; None for the Unity player that ai2thor downloads.
        platform: "CloudRendering" or "Linux64"; None leaves it to ai2thor.
        x_display: the X server that Unity draws on, such as ":0"; None takes DISPLAY.
        gpu_device: the GPU that CloudRendering draws on.
        timeout: seconds within which a step must be answered.
        start_timeout: seconds within which a started player must speak.
    """

    executable: str | None = None
    platform: str | None = None
    x_display: str | None = None
    gpu_device: int | None = None
    timeout: float = 60.0
    start_timeout: float = 300.0

    def arguments(self) -> dict[str, Any]:
        """Return the Controller's arguments. EnvError for what there is not."""
        given: dict[str, Any] = {
            "server_timeout": self.timeout,
            "server_start_timeout": self.start_timeout,
            "x_display": self.x_display,
            "gpu_device": self.gpu_device,
        }
        if self.executable is not None:
            given["local_executable_path"] = self.executable
            if self.x_display is None and "DISPLAY" not in os.environ:
                given["x_display"] = ":99"  # the Controller insists on a name; nobody need be there
        elif sys.platform == "win32":
            raise EnvError(f"AI2-THOR: there is no Unity player for Windows; {INSTEAD}")
        if self.platform is not None:
            from ai2thor import platform

            found = getattr(platform, str(self.platform), None)
            if self.platform not in ("CloudRendering", "Linux64") or found is None:
                raise EnvError(
                    f"platform={self.platform!r}: choose CloudRendering or Linux64, or leave it out"
                )
            given["platform"] = found
        return given


class Player:
    """AI2-THOR with one agent in one house.

    Arguments:
        launch: how it is started.
        settings: arguments of the Controller and of Initialize.
    """

    def __init__(self, launch: Launch, settings: Mapping[str, Any]) -> None:
        try:
            import ai2thor.controller
        except ImportError as error:
            raise EnvError(f"{INSTALL} ({error})") from error
        self._make = ai2thor.controller.Controller
        self._arguments = {**launch.arguments(), **settings}
        self._launch = launch
        self._controller: Any = None
        self._house: Mapping[str, Any] | None = None
        self._filter: list[str] | None = None
        self._handled = False
        """Whether things of the house have been handled: another player cannot go on there."""
        self._pose: dict[str, Any] | None = None
        """Where the agent stands, as TeleportFull takes it."""

    def enter(self, house: Mapping[str, Any], pose: dict[str, Any], type: str | None) -> Any | None:
        """Put the agent at a pose in a house and return the event, None where it cannot stand there.

        Metadata tell of the objects of one type only; of all where it is None. Raises PlayerError where the
        player cannot be started, EnvError where it cannot build the house.
        """
        for attempt in range(2):
            try:
                return self._entered(house, pose, type)
            except PlayerError as error:
                self.close()
                if attempt:
                    raise
                _note(error)
        return None

    def step(self, action: str, **arguments: Any) -> Any:
        """Carry out one action and return its event, successful or not.

        Where the player has died or does not answer, another one takes its place: same house, same pose,
        same action. Raises PlayerError where that fails too, and where things have been handled, which are
        lost with the player.
        """
        try:
            event = self._step(action, **arguments)
        except PlayerError as error:
            self.close()
            if self._handled:
                raise PlayerError(
                    f"{error}; what was moved is lost with it: begin the episode anew"
                ) from error
            _note(error)
            self._resume()
            event = self._step(action, **arguments)
        self._handled = self._handled or (bool(event) and action in _HANDLING)
        agent = event.metadata["agent"]
        self._pose = {
            "position": agent["position"],
            "rotation": agent["rotation"],
            "horizon": round(agent["cameraHorizon"], 3),  # Unity says 60.00002 and then refuses it
            **({} if agent.get("isStanding") is None else {"standing": agent["isStanding"]}),
        }
        return event

    def close(self) -> None:
        """End the player; closing twice is fine."""
        controller, self._controller = self._controller, None
        self._house = None
        if controller is not None:
            _stop(controller)

    # inside

    def _entered(self, house: Mapping[str, Any], pose: dict[str, Any], type: str | None) -> Any | None:
        if self._controller is None:
            self._controller = self._started()
        if self._house is not house or self._handled:
            self._build(house)
        if self._filter is not None:
            self._step("ResetObjectFilter")
        event = self._step("TeleportFull", **pose)
        if not event:
            return None
        self._pose = pose
        if type is None:
            return event
        self._filter = [each["objectId"] for each in event.metadata["objects"] if each["objectType"] == type]
        return self._step("SetObjectFilter", objectIds=self._filter)

    def _resume(self) -> None:
        told = self._filter
        self._controller = self._started()
        self._build(self._last_house)
        if not self._step("TeleportFull", forceAction=True, **self._pose):
            raise explained("go on in a fresh player", "it refuses the pose that the last one told")
        self._filter = told
        if told is not None:
            self._step("SetObjectFilter", objectIds=told)

    def _build(self, house: Mapping[str, Any]) -> None:
        self._filter, self._handled = None, False
        event = self._guarded("create a house", lambda: self._controller.reset(house))
        if event.metadata["lastAction"] != "CreateHouse" or not event:
            said = " ".join(event.metadata["errorMessage"].split())
            raise EnvError(
                f"AI2-THOR: {event.metadata['lastAction']} failed: {said}; Unity's player builds houses of "
                "ProcTHOR's schema 1.0.0 whose every asset it has: houses=FILE takes such, and those that "
                f"are generated here have assets of their own; {INSTEAD}"
            )
        self._house = self._last_house = house

    def _step(self, action: str, **arguments: Any) -> Any:
        return self._guarded(action, lambda: self._controller.step(action, **arguments))

    def _guarded(self, what: str, call: Any) -> Any:
        """Call the Controller; whatever it raises, and a player that has died, is a PlayerError."""
        if self._controller is None:
            raise explained(what, "no player runs: the last one could not be replaced")
        process = self._controller.server.unity_proc
        if process.poll() is not None:
            raise explained(what, f"the player has ended (status {process.returncode})", self._log())
        try:
            return call()
        except Exception as error:  # Controller raises ValueError, RuntimeError, TimeoutError, bare Exception
            raise explained(what, error, self._log()) from error

    def _started(self) -> Any:
        """Return a Controller whose player has spoken. PlayerError where it does not, within the limit."""
        self._log_start = _size(_LOG)
        controller = self._make.__new__(self._make)
        raised: list[BaseException] = []

        def build() -> None:
            try:
                controller.__init__(**self._arguments, scene="Procedural")
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=build, name="ai2thor", daemon=True)
        thread.start()
        try:
            reason = self._failure(thread, controller)
        except BaseException:  # Ctrl-C: what was begun is ended
            _free(controller)
            _stop(controller)
            raise
        if thread.is_alive():
            _free(controller)
            thread.join(1.0)
        if raised or reason:
            _stop(controller)
            raise explained("start its player", reason or raised[0], self._log())
        return controller

    def _failure(self, thread: threading.Thread, controller: Any) -> str | None:
        """Wait until a Controller is made; return why it will not be, None where it is made or has raised."""
        until = None
        while thread.is_alive():
            thread.join(_POLL_S)
            process = _process(controller)
            if process is None:  # not begun: it may be downloading
                continue
            until = until or time.monotonic() + self._launch.start_timeout
            if process.poll() is not None:
                thread.join(1.0)
                return f"the player has ended (status {process.returncode}) before it spoke"
            if time.monotonic() > until:
                return f"the player has said nothing for {self._launch.start_timeout:g} s"
        return None

    def _log(self) -> str:
        """What the player has written since it was started, its end."""
        with contextlib.suppress(OSError), _LOG.expanduser().open("rb") as file:
            file.seek(max(self._log_start, _size(_LOG) - _LOG_BYTES))
            return file.read().decode(errors="replace").strip()
        return ""


def _note(error: PlayerError) -> None:
    logging.getLogger(__name__).warning("once more with a fresh player, after: %s", error)


def _free(controller: Any) -> None:
    """Free a Controller that waits for its player's first word."""
    if (process := _process(controller)) is not None:
        process.kill()
    with contextlib.suppress(OSError, AttributeError):
        pipe = os.open(controller.server.server_pipe_path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(pipe, _FALSE_WORD)
        os.close(pipe)


def _stop(controller: Any) -> None:
    with contextlib.suppress(Exception):  # one that never began, or whose player is gone
        controller.stop()
    if (process := _process(controller)) is not None:
        with contextlib.suppress(Exception):
            process.kill()
            process.wait(5.0)
    if (pipes := getattr(getattr(controller, "server", None), "tmp_dir", None)) is not None:
        pipes.cleanup()


def _process(controller: Any) -> Any:
    """The player's process, None before there is one."""
    return getattr(getattr(controller, "server", None), "unity_proc", None)


def _size(path: Path) -> int:
    try:
        return path.expanduser().stat().st_size
    except OSError:
        return 0
