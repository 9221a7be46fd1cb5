"""Ready-made grammars: boxes and points with labels, the joints of a person, given options.

Under one of these an answer always parses: `uio2_agent.labels` reads back as many boxes, points or joints as
were written. Unusual: a free label is any text of whole pieces that cannot be mistaken for a location; it
ends where the next location or the end token is chosen.

Knows how labels are written, nothing about requests.
"""

from collections.abc import Sequence
from functools import lru_cache

from uio2_agent.grammar import (
    Element,
    Grammar,
    check_literals,
    choice,
    literal,
    location,
    one_of,
    repeat,
    sequence,
)
from uio2_agent.labels.keypoints import JOINTS, MISSING
from uio2_agent.labels.locations import clean_label
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import location_text

MOST = 32
"""Boxes or points of an answer."""
LABEL_TOKENS = 16
"""Most tokens of a free label: a small tokenizer spells words."""
_CONTROLS = 3  # padding, end, unknown


def boxes(
    tokenizer: TextTokenizer,
    most: int = MOST,
    at_least: int = 0,
    labels: Sequence[str] | None = None,
    label_tokens: int = LABEL_TOKENS,
) -> Grammar:
    """Four locations and a label, again and again.

    Arguments:
        most, at_least: how many boxes an answer may have.
        labels: the labels to choose from; None allows any text.
        label_tokens: length of a free label; 0 leaves labels out.
    """
    return _located(tokenizer, 4, most, at_least, labels, label_tokens)


def points(
    tokenizer: TextTokenizer,
    most: int = MOST,
    at_least: int = 0,
    labels: Sequence[str] | None = None,
    label_tokens: int = 0,
) -> Grammar:
    """Two locations, and a label if there are labels or `label_tokens`; otherwise as `boxes`."""
    return _located(tokenizer, 2, most, at_least, labels, label_tokens)


def keypoints(tokenizer: TextTokenizer, missing: bool = False) -> Grammar:
    """For each of the 17 joints two locations and its name, so that the model chooses 34 locations only.

    With `missing` a joint may be written as its name and MISSING instead, as in training; officially each
    gets a point.
    """
    place = location(tokenizer.vocabulary)
    joints = []
    for name in JOINTS:
        _check_splits(tokenizer, 2, name)
        given = sequence(place, place, literal(tokenizer, name))
        joints.append(choice(given, literal(tokenizer, f"{name} {MISSING}")) if missing else given)
    return Grammar(sequence(*joints), tokenizer.vocabulary.eos)


def choices(tokenizer: TextTokenizer, options: Sequence[str]) -> Grammar:
    """Exactly one of the options; what they begin with in common costs no decision."""
    written = [literal(tokenizer, option) for option in options]
    return Grammar(choice(*written), tokenizer.vocabulary.eos)


@lru_cache(maxsize=8)
def free_text(tokenizer: TextTokenizer, most: int) -> Element:
    """One to `most` pieces of text: a word to begin with, then anything without `<`, which opens the written
    form of special tokens. No special token, no padding, no end.
    """
    vocabulary = tokenizer.vocabulary
    spot = location_text(0)
    # Behind a location a piece shows whether it starts a word.
    pieces = range(_CONTROLS, vocabulary.pieces)
    written = {
        token: tokenizer.decode([vocabulary.location(0), token]).removeprefix(spot) for token in pieces
    }
    anything = [token for token, text in written.items() if "<" not in text]
    words = [token for token in anything if written[token].startswith(" ") and written[token].strip(" ,\n")]
    inner = one_of(anything)
    return sequence(one_of(words), repeat([inner] * (most - 1)))


def _located(
    tokenizer: TextTokenizer,
    count: int,
    most: int,
    at_least: int,
    labels: Sequence[str] | None,
    label_tokens: int,
) -> Grammar:
    parts = [location(tokenizer.vocabulary)] * count
    if labels is not None:
        names = [clean_label(label) for label in labels]
        for name in names:
            _check_splits(tokenizer, count, name)
        parts.append(choice(*(literal(tokenizer, name) for name in names)))
    elif label_tokens:
        parts.append(free_text(tokenizer, label_tokens))
    items = [sequence(*parts)] * most
    return Grammar(repeat(items, at_least=at_least), tokenizer.vocabulary.eos)


def _check_splits(tokenizer: TextTokenizer, count: int, name: str) -> None:
    """Raise unless a name between locations is the same tokens as alone."""
    spots = " ".join([location_text(0)] * count)
    check_literals(tokenizer, [spots, name, spots])
