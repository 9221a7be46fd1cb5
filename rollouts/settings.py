"""The keys of each command: read from conf/<command>.yaml, overridden by key=value words, checked.

A configuration file is the one place where a key stands: its default, its type (that of the default) and, as
the comment behind it, its meaning, which `--help` prints. Hydra's compose API does the overriding, so its
grammar holds (lists, quotes, nested keys); plain strings need no quotes. Knows no command's business.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

import pretrain
from rollouts.errors import RolloutError

CONF = Path(__file__).parent / "conf"
TRAIN = Path(pretrain.__file__).with_name("train.yaml")
"""The keys of training lie with the training, which runs where this package is not loaded."""
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


def conf_file(command: str) -> Path:
    """Where the keys of a command stand."""
    return TRAIN if command == TRAIN.stem else CONF / f"{command}.yaml"


def keys(command: str) -> dict[str, Key]:
    """The keys of a command by dotted name, in the order of its file."""
    text = conf_file(command).read_text()
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

    `words` are values by key that stand as they are, whatever they look like: a question, a path. Raises
    RolloutError in one line for an unknown key (naming the nearest), a value of another type, or a key that
    must be given and is not.
    """
    known = keys(command)
    plain: dict[str, str] = {}
    prepared = []
    for word in overrides:
        name, equals, value = word.partition("=")
        if equals and name in known and _is_plain(known[name].default, value):
            plain[name] = value
        else:
            plain.pop(name, None)
            prepared.append(_prepare(command, word, known))
    plain |= words or {}
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_file(command).parent), version_base=None):
            config = OmegaConf.to_container(compose(command, prepared), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise RolloutError(f"cannot read {' '.join(overrides)}: {str(error).splitlines()[0]}") from error
    for key in known.values():
        *path, last = key.name.split(".")
        place = config
        for part in path:
            place = place[part]
        place[last] = _checked(command, key, plain.get(key.name, place[last]))
    return config


def _is_plain(default: Any, value: str) -> bool:
    """Whether a value is text as it stands, not something in hydra's grammar (quoted, a list, null)."""
    return isinstance(default, str | None) and value != "null" and value[:1] not in ("'", '"', "[")


def _prepare(command: str, word: str, known: dict[str, Key]) -> str:
    """Turn a person's `key=value` into a hydra override."""
    name, equals, _ = word.partition("=")
    if not equals:
        raise RolloutError(
            f"uio2 {command} takes key=value words, found {word!r}; uio2 {command} --help lists the keys"
        )
    opened = name.split(".")[0]
    if name in known:
        return word
    if opened != name and opened in known and known[opened].default == {}:
        return f"++{word}"
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "keys: " + ", ".join(known) + "."
    raise RolloutError(f"unknown key {name!r} for uio2 {command}; {hint} uio2 {command} --help lists all")


def _checked(command: str, key: Key, value: Any) -> Any:
    """The value, if it has the type of the key's default (a list of words is fine where a word is)."""
    if key.required and value == "???":
        raise RolloutError(f"uio2 {command} needs {key.name}=... ({key.meaning})")
    default = key.default
    if default is None or (isinstance(default, str) and isinstance(value, list)):
        return value
    if isinstance(default, str) and value is not None:
        return str(value)
    if type(default) is int and isinstance(value, float) and value.is_integer():  # 1e6 is a whole number
        return int(value)
    if type(default) is float and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        wanted = {
            int: "a whole number",
            float: "a number",
            bool: "true or false",
            str: "a word",
            dict: "keys below it",
        }
        found = "null" if value is None else repr(value)
        raise RolloutError(f"uio2 {command}: {key.name} takes {wanted[type(default)]}, found {found}")
    return value
