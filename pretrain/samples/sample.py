"""One training example, before tensors: what is asked, what is answered, and what of the input is hidden.

Knows no source and no processor options.
"""

from dataclasses import dataclass

from uio2_agent.inputs.hidden import NOTHING_HIDDEN, Hidden
from uio2_agent.request import Request, Target

__all__ = ["Hidden", "Sample"]


@dataclass(frozen=True)
class Sample:
    """One training example.

    >>> Sample(Request("a red block in a bowl"), Target(text="yes")).paradigm
    'S'
    """

    request: Request
    """Its text has the markers of its inputs, and no tag: `[Text] [S]` is written by the processor."""
    target: Target
    """Exactly one modality."""
    paradigm: str = "S"
    """What is learned of the target modality: "S", "R", or "X" (`uio2_agent.text.vocabulary.PREFIXES`)."""
    hidden: Hidden = NOTHING_HIDDEN
    source: str = ""
    """Name in the mixture, by which examples are counted and losses weighed."""
