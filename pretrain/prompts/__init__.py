"""Wordings of every task family that is no body's own: `prompts.draw("caption", rng)`.

Wordings are data: YAML files beside this one, a family a key, a wording a line. A slot is `{name}`; every
wording of a family has the same slots, each once, and markers of inputs stand between spaces, where the
tokenizer knows them. Drawing takes any wording; without a generator it is the first.

What bodies are asked stands in `policies/templates.yaml`. It refuses to know tasks: what fills a slot is the
sample builders' business.
"""

import re
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from pretrain.errors import TrainingError
from uio2_agent.errors import did_you_mean, offered

_MARKER = re.compile(r"<(?:image|audio)_(?:input|history_[1-8])>")
_SPECIAL = re.compile(r"<\w*>")


class PromptError(TrainingError):
    """Wordings that cannot be used, or a family that is asked for in another way than it is written."""


class Prompts:
    """The wordings of some families.

    >>> packaged().draw("detect", classes="cup, plate")[:20]
    'Find all of these in'
    """

    def __init__(self, families: Mapping[str, tuple[str, ...]]):
        self.families = dict(families)
        """Family to its wordings."""
        self.slots = {family: _checked(family, wordings) for family, wordings in self.families.items()}
        """Family to the names of its slots."""

    @classmethod
    def load(cls, folder: str | Path) -> "Prompts":
        """Read every `*.yaml` of a folder.

        Raises:
            PromptError: A file cannot be read or is no mapping of families to lists of texts, a family stands
                in two files, or a wording is wrong: another set of slots than its fellows, a slot twice, a
                marker that is none or touches a word. The text names the file and the family.
        """
        families: dict[str, tuple[str, ...]] = {}
        files = sorted(Path(folder).glob("*.yaml"))
        if not files:
            raise PromptError(f"{folder} holds no *.yaml with wordings: name the folder that does")
        for path in files:
            for family, wordings in _read(path).items():
                if family in families:
                    raise PromptError(f"{path}: family {family!r} stands in another file too: keep one")
                families[family] = wordings
                try:
                    _checked(family, wordings)
                except PromptError as error:
                    raise PromptError(f"{path}: {error}") from None
        return cls(families)

    def draw(self, family: str, rng: np.random.Generator | None = None, /, **slots: object) -> str:
        """Return one of a family's wordings with its slots filled.

        Raises:
            PromptError: There is no such family, or its slots are not those handed in.
        """
        if family not in self.families:
            raise PromptError(
                f"there are no wordings for {family!r}{did_you_mean(family, self.families)}; there are those "
                f"for {offered(family, self.families)}"
            )
        if set(slots) != self.slots[family]:
            raise PromptError(
                f"the wordings of {family!r} have the slots {sorted(self.slots[family])}, and "
                f"{sorted(slots)} are filled"
            )
        wordings = self.families[family]
        return wordings[0 if rng is None else int(rng.integers(len(wordings)))].format(**slots)


@cache
def packaged() -> Prompts:
    """Return our own wordings."""
    return Prompts.load(Path(__file__).parent)


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PromptError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise PromptError(f"{path} must map families to lists of wordings; it is a {type(found).__name__}")
    for family, wordings in found.items():
        if not isinstance(wordings, list) or not all(isinstance(each, str) for each in wordings):
            raise PromptError(f"{path}: {family!r} must be a list of texts: quote each wording")
    return {str(family): tuple(wordings) for family, wordings in found.items()}


def _checked(family: str, wordings: tuple[str, ...]) -> set[str]:
    """Return the slots of a family; PromptError for one that is not consistent."""
    if not wordings or len(set(wordings)) < len(wordings):
        raise PromptError(f"{family!r} has no wordings, or one twice: write each once")
    slots = [_slots(family, wording) for wording in wordings]
    for wording, found in zip(wordings, slots, strict=True):
        if sorted(found) != sorted(set(slots[0])):
            raise PromptError(
                f"{family!r}: {wording!r} has the slots {sorted(found)}, and {wordings[0]!r} has "
                f"{sorted(set(slots[0]))}: every wording has the same, each once"
            )
        for special in _SPECIAL.finditer(wording):
            around = f" {wording} "[special.start() : special.end() + 2]
            if not _MARKER.fullmatch(special[0]) or around != f" {special[0]} ":
                raise PromptError(
                    f"{family!r}: {wording!r} has {special[0]!r}, which must be a marker of an input with a "
                    "space on either side"
                )
    return set(slots[0])


def _slots(family: str, wording: str) -> list[str]:
    try:
        found = [slot for _, slot, _, _ in string.Formatter().parse(wording) if slot is not None]
    except ValueError as error:
        raise PromptError(f"{family!r}: {wording!r}: {error}; slots are written {{name}}") from None
    if unnamed := [slot for slot in found if not slot.isidentifier()]:
        raise PromptError(f"{family!r}: {wording!r} has the slot {unnamed[0]!r}; slots have names")
    return found
