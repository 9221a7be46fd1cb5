"""What a sample builder may use beside its record, and small things that all builders write alike.

Knows no source and no builder.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from policies.style import PromptStyle
from pretrain.errors import TrainingError
from pretrain.prompts import Prompts, packaged
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.media.geometry import Placement
from uio2_agent.text.tokenizer import TextTokenizer

Choice = TypeVar("Choice")
_SPECIAL = re.compile(r"<(?=(?:extra_id|image|audio)_)")


class UnusableRecord(TrainingError):
    """A record that no sample of the kind asked for can be made of; the next one may do."""


def _no_other() -> Any:
    raise TrainingError(
        "this builder puts several records together: hand in another=, which draws one more of the source"
    )


@dataclass(frozen=True)
class Context:
    """The model that learns, and where more records come from."""

    config: UnifiedIO2Config
    tokenizer: TextTokenizer
    another: Callable[[], Any] = _no_other
    """Draw one more record of the same source, as a function of the number of the example alone."""
    styles: Mapping[str, PromptStyle] = field(default_factory=dict)
    """How requests for a body look; a body that is not named has its own for models of the released sizes."""
    prompts: Prompts = field(default_factory=packaged)

    @property
    def text_room(self) -> int:
        """Tokens of a request's text beside the tag and the end."""
        return self.config.text_input_length - 2

    @property
    def answer_room(self) -> int:
        """Tokens of a text target beside the end."""
        return self.config.text_target_length - 1

    def placement(self, image: np.ndarray) -> Placement:
        """Return where an image (H, W, 3) lies in the square the model sees."""
        return Placement.fit(image.shape[:2], self.config.image_size)


def pick(options: Mapping[Choice, float], rng: np.random.Generator) -> Choice:
    """Draw a key in proportion to its value.

    Raises:
        UnusableRecord: Nothing has a value above 0.
    """
    weights = np.array(list(options.values()), float)
    if not weights.sum() > 0:
        raise UnusableRecord(f"none of {', '.join(map(str, options))} can be asked of this record")
    return list(options)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def history_marker(number: int, sense: str = "image") -> str:
    """Return the marker of a history image or sound, counted from 1."""
    return f"<{sense}_history_{number}>"


def frame_markers(count: int, sense: str = "image") -> list[str]:
    """Return the markers of `count` images or sounds of which the last is the input, the others history."""
    return [history_marker(number, sense) for number in range(1, count)] + [f"<{sense}_input>"][:count]


def joined(*parts: str) -> str:
    """Return texts joined by single spaces, empty ones left out."""
    return " ".join(part for part in parts if part)


def without_markers(text: str) -> str:
    """Return a stored text in which nothing is read as a marker or location of ours."""
    return _SPECIAL.sub("(", text)


def clean(text: str) -> str:
    """Return a stored text without markers of ours, with single spaces."""
    return " ".join(without_markers(text).split())


def label(text: str) -> str:
    """Return a caption or name as answers hold it: clean, lower case, no backslashes."""
    return clean(text.replace("\\", " ")).lower()


def cut(text: str, tokens: int, tokenizer: TextTokenizer) -> str:
    """Return the first whole words of a text that are at most so many tokens."""
    words = text.split(" ")
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if len(tokenizer.encode(" ".join(words[:middle]))) <= tokens:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])
