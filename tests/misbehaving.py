"""A policy and an environment that misbehave in one episode, each in a way that its `how` names."""

import ctypes
import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.toys import SUITE as TOYS
from tests.toys import ScriptedPolicy, ToyEnv


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class Unpicklable(BaseException):
    def __reduce__(self) -> Any:
        raise RuntimeError("not to be pickled")


def hang() -> None:
    """In C, where no Python of this process can do anything about it."""
    sum(range(10**12))


def end(how: str) -> None:
    """End this process, or get nowhere."""
    {
        "segfault": lambda: ctypes.string_at(0),
        "_exit": lambda: os._exit(0),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "hang": hang,
    }[how]()


class Policy(ScriptedPolicy):
    """Does `how` at seed 2."""

    name = "misbehaving"

    def __init__(self, how: str):
        super().__init__()
        self.how = how

    def act(self, steps: list) -> Any:
        actions = super().act(steps)
        mine = [place for place, step in enumerate(steps) if self.seeds[step.slot] == 2]
        if not mine:
            return actions
        match self.how:
            case "SystemExit":
                sys.exit("enough")
            case "text":
                raise Unspeakable
            case "pickle":
                raise Unpicklable("once", "and again")
            case "GeneratorExit":
                raise GeneratorExit
            case "StopIteration":
                raise StopIteration
            case "interrupt":
                raise KeyboardInterrupt
            case "hang":
                hang()
            case "long text":
                raise ValueError("x" * 10**6)
            case "surrogate":
                raise ValueError("\ud800")
            case "None":
                return None
            case "nothing":
                return []
            case "generator":
                return (action for action in actions)
            case "garbage":
                actions[mine[0]] = object()
            case "NaN":
                actions[mine[0]]["pose0_position"] = [float("nan")] * 2
        return actions

    def action_text(self, slot: int) -> Any:
        texts = {"text of bytes": b"0: pick", "text of half a pair": "\ud800"}
        return texts.get(self.how) if self.seeds[slot] == 2 else None


class Stumbling(ScriptedPolicy):
    """Ends its process at some seeds, but only the first time: a file in `folder` remembers it."""

    def __init__(self, folder: str):
        super().__init__()
        self.folder = Path(folder)

    def act(self, steps: list) -> Any:
        for step in steps:
            how = {1: "segfault", 4: "_exit", 7: "kill", 9: "raise"}.get(self.seeds[step.slot])
            mark = self.folder / str(how)
            if how and self.folder.is_dir() and not mark.exists():
                mark.touch()
                if how == "raise":
                    raise ValueError("the first time")
                end(how)
        return super().act(steps)


class Env(ToyEnv):
    """Does `how` at seed 2."""

    def __init__(self, how: str = "", **options: Any):
        super().__init__(**options)
        self.how = how

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> Any:
        observation, info = super().reset(seed=seed)
        if seed != 2:
            return observation, info
        match self.how:
            case "reset segfault":
                end("segfault")
            case "reset None":
                return None
            case "reset info None":
                return observation, None
            case "prompt":
                info["prompt"] = 7
            case "embodiment":
                info["embodiment"] = ["vima"]
            case "no pictures":
                observation = {}
            case "assets":
                info["prompt_assets"] = None
        return observation, info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        if self._seed != 2:
            return observation, reward, terminated, truncated, info
        if self.how.startswith("kill once "):
            folder = Path(self.how.removeprefix("kill once "))
            if folder.is_dir() and not (folder / "step").exists():
                (folder / "step").touch()
                end("kill")
        match self.how:
            case "SystemExit":
                sys.exit(3)
            case "hang":
                hang()
            case "four":
                return observation, reward, terminated, info
            case "info":
                info = [info]
            case "observation":
                observation = None
            case "reward NaN":
                reward = float("nan")
            case "reward None":
                reward = None
            case "success":
                info["success"] = "no"
            case "terminated":
                terminated = [False, False]
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        if self.how == "close":
            sys.exit(4)
        super().close()


SUITE = dataclasses.replace(TOYS, name="misbehaving", entry_point="tests.misbehaving:Env")
