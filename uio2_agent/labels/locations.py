"""Numbers in [0, 1] as location tokens, in text and as ids, alone or with a label behind them.

Every label that holds numbers is written through here: value v is bin floor(999 v), written
`<extra_id_{200 + bin}>`, joined by single spaces. Unusual: there are two ways back. A bin is bin / 999, which
makes the round trip exact to one bin; with `released=True` it is bin / 1000, as the released text parser
reads it, low by up to a bin.

It refuses to know what the numbers are of: pixels, metres and angles come in as fractions, through `Range` or
through `uio2_agent.media.geometry.Placement`.
"""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.media.geometry import Placement
from uio2_agent.text.vocabulary import (
    LOCATIONS,
    SENTINELS,
    Vocabulary,
    bin_to_value,
    location_text,
    value_to_bin,
)

LOCATION = r"<extra_id_(?:[2-9]\d\d|1[01]\d\d)>"
"""Regular expression of one location token, `<extra_id_200>` to `<extra_id_1199>`."""
_RUN = re.compile(rf"{LOCATION}(?:\s+{LOCATION})*")
_INDEX = re.compile(r"<extra_id_(\d+)>")
_TAG = r"<(?:extra_id|image_history|audio_history|image_input|audio_input)"
_LABEL = re.compile(rf"(?:(?!{_TAG}).)*", re.DOTALL)


@dataclass(frozen=True)
class Range:
    """The numbers that [0, 1] stands for: `low` and `high`, floats or arrays that broadcast.

    Numbers outside are clipped to the range before they are binned.
    """

    low: float | np.ndarray
    high: float | np.ndarray

    def to_fractions(self, numbers: np.ndarray) -> np.ndarray:
        """Return where numbers lie in the range, clipped to [0, 1]; 0 where the range has no width."""
        width = np.asarray(self.high, np.float64) - self.low
        moved = np.asarray(numbers, np.float64) - self.low
        return np.clip(moved / np.where(width > 0, width, 1), 0, 1)

    def to_numbers(self, fractions: np.ndarray) -> np.ndarray:
        """Return the numbers at fractions of the range."""
        return self.low + np.asarray(fractions, np.float64) * (np.asarray(self.high, np.float64) - self.low)


def checked(numbers: np.ndarray, width: int, what: str) -> np.ndarray:
    """Return numbers as float64 [n, width]; a single row [width] becomes [1, width].

    Raises UIO2Error for another last axis, more axes, or a number that is not finite.
    """
    array = np.asarray(numbers, np.float64)
    if array.size == 0:
        array = array.reshape(0, width)
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != width:
        raise UIO2Error(
            f"{what} must be [n, {width}] or [{width}]; they are {list(np.shape(numbers))}: give {width} "
            "numbers for each"
        )
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise UIO2Error(f"{what} must be finite; row {bad[0]} is {array[bad[0]].tolist()}: leave it out")
    return array


def warn_outside(places: np.ndarray, placement: Placement, what: str, one: str) -> None:
    """Warn of places [n, 2k], x y in pixels, more than a pixel outside the picture."""
    height, width = placement.original
    limits = np.tile([width, height], places.shape[1] // 2)
    outside = np.flatnonzero(((places < -1) | (places > limits + 1)).any(axis=1))
    if outside.size:
        first = outside[0]
        warnings.warn(
            f"{outside.size} of {len(places)} {what} outside the picture of {height} x {width} (height x "
            f"width): {one} {first} is {places[first].tolist()}, x before y",
            stacklevel=3,
        )


def clean_label(label: str) -> str:
    """Return a label as targets hold it: lower case, no backslashes, single spaces.

    Raises UIO2Error if nothing is left, or the label holds a special token.
    """
    cleaned = " ".join(label.replace("\\", " ").lower().split()).strip(" ,")
    if not cleaned or re.search(_TAG, cleaned):
        raise UIO2Error(f"a label must be words without special tokens; {label!r} is not: rename it")
    return cleaned


def write_values(values: np.ndarray, labels: Sequence[str] | None = None, separator: str = " ") -> str:
    """Write rows of values in [0, 1], [n, count], each followed by its label if there are labels.

    Values outside [0, 1] are clipped. Rows are joined by `separator` (the official alternative is ` , `).
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UIO2Error(f"values must be finite and [n, count]; they are {list(values.shape)}")
    rows = [" ".join(location_text(bin) for bin in row) for row in value_to_bin(values).tolist()]
    if labels is not None:
        if len(labels) != len(rows):
            raise UIO2Error(f"{len(rows)} rows of numbers but {len(labels)} labels: give one label for each")
        rows = [f"{row} {clean_label(label)}" for row, label in zip(rows, labels, strict=True)]
    return separator.join(rows)


def read_values(text: str, count: int, released: bool = False) -> np.ndarray:
    """Read values [n, count] from text: every run of location tokens is cut into rows from its start.

    What is left of a run (fewer than `count`) is passed over, as is all other text.
    """
    rows = [run[at : at + count] for run, _ in _runs(text) for at in range(0, len(run) - count + 1, count)]
    return _values(rows, count, released)


def read_labelled_values(text: str, count: int, released: bool = False) -> tuple[np.ndarray, list[str]]:
    """Read values [n, count] and the label behind each row, stripped.

    A label is the text up to the next special token; it belongs to the last `count` locations before it.
    Rows without a label are passed over.
    """
    found = [(run[-count:], label) for run, label in _runs(text) if len(run) >= count and label]
    return _values([row for row, _ in found], count, released), [label for _, label in found]


def values_to_ids(values: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return the ids of values in [0, 1] (clipped), int64 of the same shape."""
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise UIO2Error("values must be finite to become location tokens; there are NaN or infinite ones")
    return vocabulary.location_ids[value_to_bin(values)]


def ids_to_values(
    ids: Iterable[int], vocabulary: Vocabulary, count: int, released: bool = False
) -> np.ndarray:
    """Read values [n, count] from ids: only runs of exactly `count` locations count."""
    ids = np.asarray(list(ids), np.int64)
    bins = vocabulary.pieces + LOCATIONS - 1 - ids
    is_location = np.concatenate([[False], (bins >= 0) & (bins < LOCATIONS), [False]])
    change = np.flatnonzero(np.diff(is_location))  # starts and ends of runs, in turn
    starts, ends = change[::2], change[1::2]
    starts = starts[ends - starts == count]
    return _values(bins[starts[:, None] + np.arange(count)], count, released)


def values_in(text: str, released: bool = False) -> np.ndarray:
    """Return the values [n] of all locations of a text that holds no other extra ids."""
    bins = [int(index) - SENTINELS for index in _INDEX.findall(text)]
    return bin_to_value(np.array(bins, np.int64), released)


def _runs(text: str) -> list[tuple[list[int], str]]:
    """Return the bins of every run of locations, and the label behind it (empty if there is none)."""
    found = []
    for match in _RUN.finditer(text):
        bins = [int(index) - SENTINELS for index in _INDEX.findall(match[0])]
        label = _LABEL.match(text, match.end())[0].strip().strip(" ,\n")
        found.append((bins, label))
    return found


def _values(bins: Sequence[Sequence[int]] | np.ndarray, count: int, released: bool) -> np.ndarray:
    return bin_to_value(np.array(bins, np.int64).reshape(-1, count), released)
