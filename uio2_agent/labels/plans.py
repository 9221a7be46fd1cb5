"""Plans of numbered steps, `n: verb from ( … ) and verb to ( … )`, and answers of one word.

The brackets hold location tokens; verbs are words. Unusual: steps are found anywhere in a text, whatever
stands between them; inside a step single spaces are exact. What the numbers and verbs mean is for the action
space's codec to know.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.locations import LOCATION, values_in, write_values

_BRACKET = rf"\( ((?:{LOCATION} )+)\)"
_VERB = r"([a-z]+(?: [a-z]+)*)"
_STEP = re.compile(rf"(\d+): {_VERB} from {_BRACKET} and {_VERB} to {_BRACKET}")


@dataclass(frozen=True)
class PlanStep:
    """One step: do `verb` from `start` and `second_verb` to `end`, both float64 [numbers] in [0, 1]."""

    number: int
    verb: str
    start: np.ndarray
    second_verb: str
    end: np.ndarray


def write_plan(steps: Sequence[PlanStep]) -> str:
    """Write steps joined by one space; values are clipped to [0, 1].

    Raises UIO2Error if a verb is not lower-case words, a bracket would be empty, or a number is not finite.
    """
    return " ".join(
        f"{step.number}: {_verb(step.verb)} from {_bracket(step.start)} and "
        f"{_verb(step.second_verb)} to {_bracket(step.end)}"
        for step in steps
    )


def read_plan(text: str, released: bool = False) -> list[PlanStep]:
    """Read every whole step in a text, in order of appearance; what is no step is passed over."""
    return [
        PlanStep(int(n), verb, values_in(start, released), second, values_in(end, released))
        for n, verb, start, second, end in _STEP.findall(text)
    ]


def read_choice(text: str, options: Sequence[str]) -> str | None:
    """Return the option that is the whole answer, None if none is; case, a full stop and outer spaces do not
    matter.
    """
    known = {option.lower(): option for option in options}
    return known.get(text.strip().rstrip(".").rstrip().lower())


def _verb(verb: str) -> str:
    if not re.fullmatch(_VERB, verb):
        raise UIO2Error(f"a verb is lower-case words joined by single spaces; {verb!r} is not: rename it")
    return verb


def _bracket(values: np.ndarray) -> str:
    values = np.asarray(values, np.float64).reshape(1, -1)
    if not values.size:
        raise UIO2Error("a step of a plan has no numbers: give at least one value in [0, 1]")
    return f"( {write_values(values)} )"
