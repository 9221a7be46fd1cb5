"""Completion of the `uio2` command in a shell: a script that knows commands, keys and values by itself.

Unusual: the script holds every word, so that the shell never waits for Python. It is written from the same
files as `--help`; after an update it is written again.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping

from envs.suites import ALL, suite, suite_names
from rollouts.settings import Key, keys
from uio2_agent.formats.packaged import packaged_checkpoints
from uio2_agent.presets import PRESETS

SHELLS = ("bash", "zsh", "fish")
_FILES = "@files"
"""Stands for whatever files there are."""
_BASH = r"""# uio2 completion __SHELL__: what can follow in `uio2 COMMAND key=value ...`
__SETUP__
_uio2_keys() {
    case "$1" in
__KEYS__
    esac
}
_uio2_values() {
    case "$1.$2" in
__VALUES__
    esac
}
_uio2() {
    local line=${COMP_LINE:0:$COMP_POINT}
    local word=${line##* } before=${line#* } found key
    COMPREPLY=()
    if [ "$before" = "$word" ]; then
        COMPREPLY=($(compgen -W "__COMMANDS__" -- "$word"))
        return
    fi
    case "$word" in
    *=*)
        key=${word%%=*}
        found=$(_uio2_values "${before%% *}" "$key")
        word=${word#*=}
        if [ "$found" = "@files" ]; then
            COMPREPLY=($(compgen -f -- "$word"))
            type compopt > /dev/null 2>&1 && compopt -o filenames
        else
            COMPREPLY=($(compgen -W "$found" -- "$word"))
        fi
        case "$COMP_WORDBREAKS" in
        *=*) ;;
        *) COMPREPLY=("${COMPREPLY[@]/#/$key=}") ;;
        esac
        ;;
    *)
        COMPREPLY=($(compgen -W "$(_uio2_keys "${before%% *}")" -- "$word"))
        type compopt > /dev/null 2>&1 && compopt -o nospace
        ;;
    esac
}
complete __OPTIONS__ -F _uio2 uio2
"""


def script(shell: str, commands: Mapping[str, str]) -> str:
    """Return the script of a shell of `SHELLS`; `commands`: a line of help by name."""
    return _fish(commands) if shell == "fish" else _bash(commands, shell)


def _bash(commands: Mapping[str, str], shell: str) -> str:
    known, values = [], []
    for command in commands:
        found = keys(command)
        known.append(f"    {command}) echo {shlex.quote(' '.join(f'{name}=' for name in found))} ;;")
        values += [
            f"    {command}.{name}) echo {shlex.quote(' '.join(words))} ;;"
            for name, key in found.items()
            if (words := _values(key))
        ]
    setup = "autoload -U +X bashcompinit && bashcompinit" if shell == "zsh" else ""
    filled = {
        "SHELL": shell,
        "SETUP": setup,
        "KEYS": "\n".join(known),
        "VALUES": "\n".join(values),
        "COMMANDS": " ".join(commands),
        "OPTIONS": "-o nospace" if shell == "zsh" else "",
    }
    text = _BASH
    for name, value in filled.items():
        text = text.replace(f"__{name}__", value)
    return text


def _fish(commands: Mapping[str, str]) -> str:
    lines = ["# uio2 completion fish: what can follow in `uio2 COMMAND key=value ...`", "complete -c uio2 -f"]
    for command, summary in commands.items():
        lines.append(f"complete -c uio2 -n __fish_use_subcommand -a {command} -d {_quoted(summary)}")
        seen = _quoted(f"__fish_seen_subcommand_from {command}")
        for word, meaning in _fish_words(command):
            lines.append(f"complete -c uio2 -n {seen} -a {_quoted(word)} -d {_quoted(meaning)}")
        for name, key in keys(command).items():
            if _values(key) == [_FILES]:
                files = f"(__fish_complete_path (commandline -ct | string replace -r '^{name}=' '') | "
                files += f"string replace -r '^' '{name}=')"
                begun = f"string match -q '{name}=*' -- (commandline -ct)"
                mine = _quoted(f"__fish_seen_subcommand_from {command}; and {begun}")
                lines.append(f"complete -c uio2 -n {mine} -a {_quoted(files)}")
    return "\n".join(lines) + "\n"


def _fish_words(command: str) -> Iterator[tuple[str, str]]:
    for name, key in keys(command).items():
        yield f"{name}=", key.meaning
        yield from ((f"{name}={word}", "") for word in _values(key) if word != _FILES)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _values(key: Key) -> list[str]:
    """What may follow a key: words, `[_FILES]`, or nothing that is known beforehand."""
    if isinstance(key.default, bool):
        return ["true", "false"]
    last = key.name.rpartition(".")[2]
    if last in _CHOICES:
        return _CHOICES[last]()
    return [_FILES] if key.default is None or isinstance(key.default, str) else []


def _policies() -> list[str]:
    return ["oracle", "random", *packaged_checkpoints()]


def _tasks() -> list[str]:
    return [ALL, *dict.fromkeys(task for name in suite_names() for task in suite(name).task_levels())]


def _levels() -> list[str]:
    return [ALL, *dict.fromkeys(level for name in suite_names() for level in suite(name).levels)]


_CHOICES: Mapping[str, Callable[[], list[str]]] = {
    "env": suite_names,
    "policy": _policies,
    "model": lambda: list(PRESETS),
    "task": _tasks,
    "level": _levels,
    "device": lambda: ["auto", "cpu", "cuda"],
}
