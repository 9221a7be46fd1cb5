"""The `uio2` command: finds the command, reads its keys, runs it, and turns expected errors into one line.

Heavy packages are imported by the commands themselves, so that `--help` and a mistyped key answer at once.
Before anything runs, our packages are looked up: their names are common, and another folder or package of
such a name must not be taken for ours silently.
"""

import errno
import importlib
import importlib.util
import os
import re
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollouts.errors import RolloutError
from uio2_agent.errors import did_you_mean


@dataclass(frozen=True)
class Command:
    """A command: the function that takes its resolved keys, a line of help, the keys its first words fill,
    and what is said when it is stopped.
    """

    function: str
    summary: str
    words: tuple[str, ...] = ()
    dashed: tuple[str, ...] = ()
    """Keys that may come as `--key value` too."""
    stopped: str = "the same command starts anew"
    """What becomes of it after Ctrl-C."""
    translated: str | None = None
    """The function that turns the words of whatever program starts it into key=value words."""


_PACKAGES = ("uio2_agent", "envs", "policies", "pretrain")
_GOES_ON = "what was finished is kept, and the same command goes on from there"

COMMANDS = {
    "rollout": Command(
        "rollouts.commands.rollout:main",
        "play episodes: table, videos, dataset and page",
        stopped="what was finished is kept until the same command starts anew",
    ),
    "collect": Command(
        "rollouts.commands.collect:main", "record episodes as a LeRobot dataset", stopped=_GOES_ON
    ),
    "train": Command(
        "rollouts.commands.train:main",
        "train a model on such datasets",
        stopped="with resume=true, the default, the same command goes on from the last saved step",
    ),
    "pretrain": Command(
        "rollouts.commands.pretrain:main",
        "train a model on a mixture of sources, alone or under torchrun",
        stopped="with resume=true, the default, the same command goes on from the last saved step",
    ),
    "train-tokenizer": Command(
        "rollouts.commands.train_tokenizer:main",
        "train what turns pictures or sounds into codes and back",
        ("target",),
        stopped="with resume=true, the default, the same command goes on from the last saved step",
    ),
    "evaluate": Command(
        "rollouts.commands.evaluate:main",
        "success on held-out seeds, with intervals and videos",
        stopped=_GOES_ON,
    ),
    "compare": Command(
        "rollouts.commands.compare:main", "paired test of two evaluations", ("first", "second")
    ),
    "inspect": Command(
        "rollouts.commands.inspect:main", "a page that shows a dataset or an evaluation", ("path",)
    ),
    "dataset": Command(
        "rollouts.commands.dataset:main",
        "check, join, shrink, replay, describe, export and publish datasets",
        ("action", "path"),
        ("to",),
    ),
    "generate": Command(
        "rollouts.commands.generate:generate", "answer with text, a picture or a sound", ("text",)
    ),
    "imagine": Command(
        "rollouts.commands.imagine:main",
        "goals that a model draws, beside the real ones",
        ("model",),
        stopped=_GOES_ON,
    ),
    "improve": Command(
        "rollouts.commands.improve:main",
        "rounds of collecting with a policy, training on that, and keeping what is better",
        stopped=_GOES_ON,
    ),
    "convert": Command(
        "rollouts.commands.convert:convert",
        "a model directory, official to ours or back",
        ("source", "output"),
    ),
    "house": Command(
        "rollouts.commands.house:main",
        "a house for viewers and other simulators",
        ("action", "house"),
        ("to", "from"),
    ),
    "play": Command("rollouts.commands.play:main", "act with the mouse, on a page for this machine only"),
    "serve": Command(
        "rollouts.commands.serve:main", "a policy over a websocket, in openpi's protocol", ("policy",)
    ),
    "thor-player": Command(
        "rollouts.commands.thor_player:main",
        "an AI2-THOR player without Unity; a Controller starts it",
        translated="envs.house.thor.player.words:as_keys",
    ),
    "doctor": Command("rollouts.commands.doctor:main", "what is installed and usable here"),
    "completion": Command(
        "rollouts.commands.completion:main", "a script that completes uio2's words in a shell", ("shell",)
    ),
}

_VALUES = (
    "A text stands as it is typed, several in brackets: key=[a,b], or key=['a, b',c] where one has a comma.",
    "Below policy_args and env_kwargs 12, 0.5, true and null are values; '12' and all else is text.",
)
"""The rules of `rollouts.words` for a person."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_KEY = re.compile(r"[\w.]+=")

# Roots of the errors that are a message to the person and not a fault of ours. Looked up only where the
# module is loaded already: an error of a package that was never imported cannot have been raised.
_EXPECTED = (
    ("rollouts.errors", "RolloutError"),
    ("uio2_agent.errors", "UIO2Error"),
    ("envs.errors", "EnvError"),
)


def run(arguments: Sequence[str], begin: Callable[[], object]) -> int:
    """Run one command; returns the exit status: 0 done, 2 a request that cannot be met, 130 interrupted.

    `begin` is called between the loading of modules and the command's own work.
    """
    words = list(arguments)
    for stream in (sys.stdout, sys.stderr):  # where a terminal lacks a letter, its number stands
        if stream is not None and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(words, begin)
        print(end="", flush=True)  # what cannot be written is known here
        return status
    except KeyboardInterrupt:
        left = f"; {COMMANDS[words[0]].stopped}" if words and words[0] in COMMANDS else ""
        print(f"\nstopped{left}", file=sys.stderr)
        return 130
    except Exception as error:
        cause = getattr(error, "cause", None)  # an error that crossed a Ray actor carries the original here
        cause = cause if isinstance(cause, Exception) else error
        if isinstance(cause, OSError) and cause.filename is None and _reader_has_left():
            return 1
        if not _expected(cause):
            raise
        return _refused(str(cause))


def _refused(reason: str) -> int:
    print(f"uio2: {' '.join(reason.split())}", file=sys.stderr)
    return 2


def _reader_has_left() -> bool:
    """Whether nobody reads standard output any more: `uio2 ... | head`. What could not be written to it is
    dropped, so that Python does not complain at its end.
    """
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        left = bool(poll.poll(0))
    except (OSError, AttributeError):  # closed, or no file of the system
        return False
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return left


def _run(words: list[str], begin: Callable[[], object]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"uio2-agent {version('uio2-agent')}")
        return 0
    try:
        "".join(words).encode()
    except UnicodeEncodeError as error:
        raise RolloutError(f"the words are no UTF-8 text: {error.object!r}") from None
    name, *rest = words
    if name not in COMMANDS:
        raise RolloutError(f"unknown command {name!r}{did_you_mean(name, COMMANDS)}; uio2 --help lists them")
    if "-h" in rest or "--help" in rest:
        print(_help(name))
        return 0
    from rollouts.settings import resolve

    if (translated := COMMANDS[name].translated) is not None:
        rest = _function(translated)(rest)
    leading, overrides = _leading_words(name, rest)
    config = resolve(name, overrides, leading)
    check_packages()
    from rollouts.checks import check

    for package in _PACKAGES:  # ours come first, whatever a person's own modules bring onto the path later
        importlib.import_module(package)
    if config.get("policy", "") is None:
        config["policy"] = _packaged_policy(config)
    check(name, config)
    command = _function(COMMANDS[name].function)
    begin()
    return command(config) or 0


def _packaged_policy(config: Mapping[str, Any]) -> str:
    from policies.loading import packaged_for
    from rollouts.worklist import bodies

    return packaged_for(*bodies(config["env"], config["task"], config["level"]))


def _function(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    return getattr(importlib.import_module(module), function)


def _leading_words(name: str, rest: list[str]) -> tuple[dict[str, str], list[str]]:
    """Give the leading words that are no `key=value` to the keys they stand for; the others remain."""
    leading, rest = {}, _undashed(COMMANDS[name].dashed, rest)
    for key in COMMANDS[name].words:
        if rest and not _KEY.match(rest[0]):
            leading[key] = rest.pop(0)
    return leading, rest


def _undashed(names: Sequence[str], words: Sequence[str]) -> list[str]:
    """Write `--key value` and `--key=value` as `key=value`, for these keys."""
    written: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, _ = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in names:
            word = word[2:] if equals else f"{name}={waiting.pop(0) if waiting else ''}"
        written.append(word)
    return written


def check_packages() -> None:
    """Raise RolloutError if the name of a package of ours would bring in a folder or package of others."""
    for name in _PACKAGES:
        ours = Path(__file__).resolve().parents[1] / name
        spec = importlib.util.find_spec(name)
        places = (
            [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin]]
            if spec
            else []
        )
        if places[:1] != [ours]:
            found = places[0] if places else "nothing"
            raise RolloutError(
                f"'import {name}' finds {found} and not {ours}: another folder or package of that name comes "
                "first on Python's path. Run the uio2 command (not python -m), unset PYTHONPATH, or "
                "uninstall it"
            )


def _expected(error: Exception) -> bool:
    roots = tuple(getattr(sys.modules[m], n) for m, n in _EXPECTED if m in sys.modules)
    told = isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL)
    return told or isinstance(error, roots)


def _overview() -> str:
    lines = ["usage: uio2 COMMAND [key=value ...]", ""]
    lines += [f"  {name:<17}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join([*lines, "", "uio2 COMMAND --help lists the keys of a command.", "", *_VALUES])


def _help(name: str) -> str:
    from rollouts.settings import keys

    command = COMMANDS[name]
    words = "".join(f" {word.upper()}" for word in command.words)
    lines = [f"usage: uio2 {name}{words} [key=value ...]", "", f"  {command.summary}", "", "keys (default):"]
    for key in keys(name).values():
        default = "must be given" if key.required else _written(key.default)
        lines.append(f"  {key.name:<21}{key.meaning} ({default})")
    return "\n".join(lines)


def _written(default: Any) -> str:
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)
