"""How steps are written for the model: words and brackets of location tokens, `0: pick from ( <X> <Y> ) …`.

A `StepForm` is one kind of step, written, read back and turned into a token grammar from the same parts, so
that the three cannot drift apart. Unusual: everything after a step's last open number is forced, so a step
costs the model only its numbers. Source: Unified-IO 2 (arXiv 2312.17172), embodied tasks.

Knows numbers in [0, 1]; refuses to know what they stand for, which an embodiment does.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent import grammar
from uio2_agent.text.vocabulary import LOCATIONS, SENTINELS, location_text, value_to_bin

# Numbers come as float32; what they lose stays below 1e-4 of a bin. Without this fifth of a thousandth of a
# bin, a decoded action (exactly on the lower edge of its bin) would often be written one bin lower.
ROUNDING = 2e-4 / (LOCATIONS - 1)

_NUMBER = re.compile(r"^\s*[0-9]+:\s*")
_LOCATION = r"<extra_id_([0-9]{1,4})>"
_STEP_NUMBER = r"(?<![0-9])([0-9]{1,9}): "  # bounded, so that reading takes time in proportion to the text


@dataclass(frozen=True)
class StepText:
    """One step found in a text."""

    number: int | None
    """The step number as written; None for steps without."""
    kind: Hashable
    """Key of its form."""
    bins: tuple[int, ...]
    """Its location bins, each 0…999."""
    text: str
    """The step as written, number included."""
    start: int
    """Place of its first character in the text."""


class StepForm:
    """One kind of step: words, and between them counts of numbers in brackets.

    >>> StepForm("pick from", 3, "and place to", 3).write([0.0] * 6, 4)[:26]
    '4: pick from ( <extra_id_2'
    >>> StepForm("turn left").write([], 0)
    '0: turn left'
    """

    def __init__(self, *parts: str | int):
        self.parts = parts
        self.count = sum(part for part in parts if isinstance(part, int))
        """Numbers in a step."""
        pattern = " ".join(
            rf"\( {' '.join([_LOCATION] * part)} \)" if isinstance(part, int) else re.escape(part)
            for part in parts
        )
        self._numbered = re.compile(_STEP_NUMBER + pattern)
        self._bare = re.compile(rf"(?<!\w)(){pattern}(?!\w)")

    def write(self, values: Sequence[float], number: int | None = None) -> str:
        """Write a step from its values, clipped to [0, 1]; `number` None leaves the number out."""
        texts = iter(locations_text(values).split()) if self.count else iter(())
        words = [
            f"( {' '.join(next(texts) for _ in range(part))} )" if isinstance(part, int) else part
            for part in self.parts
        ]
        text = " ".join(words)
        return text if number is None else f"{number}: {text}"

    def find(self, text: str, with_number: bool = True, kind: Hashable = None) -> list[StepText]:
        """Return every whole step of this form, with a number or without; `kind` is what they are called."""
        found = []
        for match in (self._numbered if with_number else self._bare).finditer(text):
            bins = tuple(int(group) - SENTINELS for group in match.groups()[1:])
            if all(0 <= b < LOCATIONS for b in bins):
                number = int(match[1]) if match[1] else None
                found.append(StepText(number, kind, bins, match[0], match.start()))
        return found

    def grammar(self, tokenizer, number: int | None) -> grammar.Element:
        """The tokens of this step with this number, or (None) without, its locations open.

        Raises:
            UIO2Error: The tokenizer does not split the text at its words.
        """
        literals, counts = ["" if number is None else f"{number}:"], []
        for part in self.parts:
            if isinstance(part, int):
                literals[-1] = f"{literals[-1]} (".lstrip()
                counts.append(part)
                literals.append(")")
            else:
                literals[-1] = f"{literals[-1]} {part}".lstrip()
        spots = [locations_text(np.linspace(0, 1, count)) for count in counts]
        whole = [text for pair in zip(literals, [*spots, None], strict=True) for text in pair if text]
        grammar.check_literals(tokenizer, [*whole, *whole[:2]])
        spot = grammar.location(tokenizer.vocabulary)
        elements = []
        for text, count in zip(literals, [*counts, 0], strict=True):
            elements += [grammar.literal(tokenizer, text), *[spot] * count]
        return grammar.sequence(*elements)


def read_steps(forms: Mapping[Hashable, StepForm], text: str, with_number: bool = True) -> list[StepText]:
    """Read every whole step of any of the forms, in order of appearance; what is no step is passed over.

    Separators between steps and step numbers are free; inside a step every word stands between single spaces.
    `with_number` False reads steps that are written without.
    """
    found = [step for kind, form in forms.items() for step in form.find(text, with_number, kind)]
    return sorted(found, key=lambda step: step.start)


def locations_text(values: Sequence[float] | np.ndarray) -> str:
    """Write values, clipped to [0, 1], as location tokens joined by single spaces: bin floor(999 · value)."""
    return " ".join(location_text(int(b)) for b in value_to_bin(np.asarray(values) + ROUNDING))


def numbered(step: str, number: int) -> str:
    """Return a step's text with this number, whatever number it carried, if any."""
    return f"{number}: {_NUMBER.sub('', step).strip()}"
