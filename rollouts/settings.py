"""The keys of each command: read from conf/<command>.yaml, overridden by key=value words, checked.

A configuration file is the one place where a key stands: its default, its type and, as the comment behind it,
its meaning, which `--help` prints. The type is that of the default. A key without one (`null`, `???`) takes
text, a key whose meaning says `[a,b]` takes several texts, and below a key that is `{}` there may be any.
Hydra's compose API reads the file; what a person typed goes past its grammar (`rollouts.words`). Knows no
command's business.
"""

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

import pretrain
from rollouts.errors import RolloutError
from rollouts.words import free_value, number, texts, truth_value, whole_number
from uio2_agent.errors import nearest

CONF = Path(__file__).parent / "conf"
TRAINING = {
    name: Path(pretrain.__file__).with_name(f"{name}.yaml")
    for name in ("train", "pretrain", "train-tokenizer")
}
"""The keys of training lie with the training, which runs where this package is not loaded."""
_SHOWN = 200
"""Longest word that an error repeats whole."""
_LINE = re.compile(r"^(?P<indent> *)(?P<name>\w+):(?: +(?P<value>.*?))?(?:\s+# (?P<meaning>.*))?$")


@dataclass(frozen=True)
class Key:
    """One key of a command: its dotted name, its default, and what it means."""

    name: str
    default: Any
    meaning: str

    @property
    def required(self) -> bool:
        return self.default == "???"

    @property
    def several(self) -> bool:
        """Whether `[a,b]` is a list of texts here."""
        return "[a,b]" in self.meaning


def conf_file(command: str) -> Path:
    """Where the keys of a command stand."""
    return TRAINING.get(command, CONF / f"{command}.yaml")


def keys(command: str) -> dict[str, Key]:
    """The keys of a command by dotted name, in the order of its file."""
    text = conf_file(command).read_text(encoding="utf-8")
    defaults = OmegaConf.to_container(OmegaConf.create(text))
    found, parents = {}, []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) // 2
        parents[depth:] = [match["name"]]
        value = defaults
        for part in parents:
            value = value[part]
        if not (isinstance(value, dict) and value):
            name = ".".join(parents)
            found[name] = Key(name, value, match["meaning"] or "")
    return found


def resolve(
    command: str, overrides: Sequence[str] = (), words: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The configuration of a command with `key=value` overrides applied, as nested plain dictionaries.

    `words` are values by key that came without it. Where a key comes more than once the last one holds.
    Raises RolloutError in one line for an unknown key (naming the nearest), a value of another type, or a key
    that must be given and is not.
    """
    known, given = keys(command), dict(words or {})
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_file(command).parent), version_base=None):
        config: Any = OmegaConf.to_container(compose(command))
    for word in overrides:
        name, equals, value = word.partition("=")
        if not (name and equals):
            hint = f"did you mean {close}=...?" if (close := nearest(name, known)) else ""
            raise RolloutError(
                f"uio2 {command} takes key=value words, found {_short(word)}; {hint or _listed(command)}"
            )
        if name in (words or {}):
            raise RolloutError(f"uio2 {command}: {name} is given twice, with {name}= and without")
        given[name] = value
    for name, value in given.items():
        if name in known:
            _place(config, name, _read(command, known[name], value))
        else:
            _place(config, _free_name(command, name, known), free_value(value))
    for key in known.values():
        if key.required and key.name not in given:
            raise RolloutError(f"uio2 {command} needs {key.name}=... ({key.meaning})")
    return config


_TYPES: dict[type, tuple[Callable[[str], Any], str]] = {
    bool: (truth_value, "true or false"),
    int: (whole_number, "a whole number"),
    float: (number, "a number"),
}


def _read(command: str, key: Key, word: str) -> Any:
    """What a word is as the value of a key."""
    if key.default is None and word == "null":
        return None
    if key.default is None or isinstance(key.default, str):
        return texts(word) if key.several else word
    if isinstance(key.default, dict):
        raise RolloutError(f"uio2 {command}: {key.name} takes keys below it, as in {key.name}.name=value")
    read, wanted = _TYPES[type(key.default)]
    try:
        return read(word)
    except ValueError:
        raise RolloutError(f"uio2 {command}: {key.name} takes {wanted}, found {_short(word)}") from None


def _free_name(command: str, name: str, known: Mapping[str, Key]) -> str:
    """The name, if it stands below a key that takes any."""
    opened, *below = name.split(".")
    if not (below and opened in known and known[opened].default == {}):
        close = nearest(name, known, cutoff=0.4)
        hint = f"did you mean {close!r}?" if close else f"keys: {', '.join(known)}."
        raise RolloutError(f"unknown key {_short(name)} for uio2 {command}; {hint} {_listed(command)}")
    for part in below:
        if not part.isidentifier():
            raise RolloutError(
                f"uio2 {command}: {_short(name)} is no key: {part!r} is no name of an argument; write "
                f"{opened}.name=value"
            )
    return name


def _place(config: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        config = config.setdefault(part, {})
        if not isinstance(config, dict):
            raise RolloutError(f"{name} is below {part}, which is given a value of its own: leave one out")
    if isinstance(config.get(last), dict) and config[last]:
        raise RolloutError(f"{name} is given a value of its own and keys below it: leave one out")
    config[last] = value


def _listed(command: str) -> str:
    return f"uio2 {command} --help lists the keys"


def _short(word: str) -> str:
    return reprlib.repr(word) if len(word) > _SHOWN else repr(word)
