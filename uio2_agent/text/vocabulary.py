"""The unified text vocabulary: which id means what, for any size of the text tokenizer underneath.

Unusual: sentinels and locations run backwards (`<extra_id_i>` is n + 1199 - i), so location bin b is n +
999 - b, where n is the number of pieces of the text tokenizer (32,000 officially). It knows no tokenizer.

Source: Unified-IO 2 (arXiv 2312.17172), section 3.1; for the order of ids the released code.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from uio2_agent.errors import UIO2Error

EXTRA_IDS = 1200
SENTINELS = 200
LOCATIONS = EXTRA_IDS - SENTINELS
HISTORY_MARKERS = 8
PREFIXES = (
    ("text", "S"),
    ("text", "R"),
    ("text", "X"),
    ("image", "S"),
    ("image", "R"),
    ("audio", "S"),
    ("audio", "R"),
)


@dataclass(frozen=True)
class Vocabulary:
    """Ids of the official layout on top of `pieces` text pieces.

    >>> official = Vocabulary(32_000)
    >>> official.location(0), official.location(999), official.size, official.padded_size
    (32999, 32000, 33225, 33280)
    """

    pieces: int
    fingerprint: str = ""
    """Digest of the tokenizer file; part of `hash()` because equal layouts can still hold different words."""

    pad = 0
    eos = 1
    unk = 2

    @property
    def size(self) -> int:
        """Number of ids in use."""
        return self.pieces + EXTRA_IDS + 2 * HISTORY_MARKERS + 2 + len(PREFIXES)

    @property
    def padded_size(self) -> int:
        """Rows of the embedding table: `size` rounded up to a multiple of 128."""
        return -(-self.size // 128) * 128

    def extra_id(self, index: int) -> int:
        """Return the id of `<extra_id_index>`, 0 <= index < 1200."""
        return self.pieces + EXTRA_IDS - 1 - _within(index, 0, EXTRA_IDS - 1, "extra id")

    def location(self, bin: int) -> int:
        """Return the id of location bin 0..999."""
        return self.extra_id(SENTINELS + _within(bin, 0, LOCATIONS - 1, "location bin"))

    def bin(self, token: int) -> int | None:
        """Return the location bin an id stands for, or None if it is no location."""
        bin = self.pieces + LOCATIONS - 1 - int(token)
        return bin if 0 <= bin < LOCATIONS else None

    @property
    def location_ids(self) -> np.ndarray:
        """Ids of all locations in the order of their bins, int64 [1000]."""
        return np.arange(self.pieces + LOCATIONS - 1, self.pieces - 1, -1)

    def image_history(self, index: int) -> int:
        """Return the id of `<image_history_index>`, counted from 1."""
        return self.pieces + EXTRA_IDS + 2 * (_within(index, 1, HISTORY_MARKERS, "image history") - 1)

    def audio_history(self, index: int) -> int:
        """Return the id of `<audio_history_index>`, counted from 1."""
        return self.pieces + EXTRA_IDS + 2 * (_within(index, 1, HISTORY_MARKERS, "audio history") - 1) + 1

    @property
    def image_input(self) -> int:
        return self.pieces + EXTRA_IDS + 2 * HISTORY_MARKERS

    @property
    def audio_input(self) -> int:
        return self.image_input + 1

    def prefix(self, modality: str, paradigm: str = "S") -> int:
        """Return the id that opens a request, e.g. of `[Text] [S]`."""
        if (modality, paradigm) not in PREFIXES:
            known = ", ".join(f"{m} {p}" for m, p in PREFIXES)
            raise UIO2Error(f"there is no prefix for {modality!r} {paradigm!r}; there are {known}")
        return self.audio_input + 1 + PREFIXES.index((modality, paradigm))

    def special_pieces(self) -> list[str]:
        """Return the written form of every id from `pieces` on, in order."""
        history = [f"<{m}_history_{j}>" for j in range(1, HISTORY_MARKERS + 1) for m in ("image", "audio")]
        prefixes = [prefix_text(modality, paradigm) for modality, paradigm in PREFIXES]
        extra_ids = [f"<extra_id_{i}>" for i in reversed(range(EXTRA_IDS))]
        return [*extra_ids, *history, "<image_input>", "<audio_input>", *prefixes]

    def hash(self) -> str:
        """Return a short digest: equal means that the same ids mean the same text."""
        return hashlib.sha256(f"{self.pieces} {self.fingerprint}".encode()).hexdigest()[:16]


def prefix_text(modality: str, paradigm: str = "S") -> str:
    """Return the tag a request starts with, e.g. `[Text] [S]`."""
    return f"[{modality.capitalize()}] [{paradigm}]"


def location_text(bin: int) -> str:
    """Return the written form of a location bin, e.g. `<extra_id_200>` for bin 0."""
    return f"<extra_id_{SENTINELS + _within(bin, 0, LOCATIONS - 1, 'location bin')}>"


def value_to_bin(value: np.ndarray | float) -> np.ndarray:
    """Return the bins of values in [0, 1]: a float32 product, truncated."""
    scaled = np.asarray(value, np.float32) * np.float32(LOCATIONS - 1)
    return np.clip(scaled, 0, LOCATIONS - 1).astype(np.int64)


def bin_to_value(bin: np.ndarray | int, released: bool = False) -> np.ndarray:
    """Return the value of a bin: bin / 999, or / 1000 as the released action parser does."""
    return np.asarray(bin, np.float64) / (LOCATIONS if released else LOCATIONS - 1)


def _within(value: int, low: int, high: int, what: str) -> int:
    if not low <= value <= high:
        raise UIO2Error(f"{what} {value} is out of range: {low}..{high}")
    return int(value)
