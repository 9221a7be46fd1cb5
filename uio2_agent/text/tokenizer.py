"""Text tokenizers: a sentencepiece model with the unified vocabulary on top.

Unusual: the official code rewrites the sentencepiece file so that padding is 0, end is 1, unknown is 2.
Here the file's own three control ids are permuted outside, and the special pieces are appended by
concatenating protobuf bytes (a repeated field), so no protobuf library is needed. Special pieces match only
at a word start. It adds no control ids. Files that people take for a LLaMA tokenizer are named for what they
are.
"""

import hashlib
import os
import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from uio2_agent.errors import UIO2Error
from uio2_agent.formats.filetype import mistaken_for
from uio2_agent.formats.packaged import PACKAGED
from uio2_agent.presets import LLAMA_PIECES
from uio2_agent.text.vocabulary import Vocabulary

SMALL_MODEL = PACKAGED / "small_tokenizer.model"
_WORD_START = "\u2581"
_USER_DEFINED = 4  # the piece type of sentencepiece's protobuf
_BYTES = range(3, 259)  # where LLaMA's file and the official layout have one piece per byte
_OF_LLAMA = {278: "\u2581the", 29871: "\u2581", 29892: ","}
NEEDED = (
    "the official layout needs the tokenizer.model of LLaMA 1 or 2, a sentencepiece file of "
    f"{LLAMA_PIECES:,} pieces, which Meta hands out with those models"
)


class TextTokenizer:
    """Turn text into ids of the unified vocabulary and back.

    >>> tokenizer = TextTokenizer.packaged()
    >>> tokenizer.decode(tokenizer.encode("pick from ( <extra_id_200> )"))
    'pick from ( <extra_id_200> )'
    """

    def __init__(self, path: str | Path):
        from sentencepiece import SentencePieceProcessor

        if not isinstance(path, str | os.PathLike):
            raise UIO2Error(
                "a text tokenizer is given as the path of its tokenizer.model, not as a "
                f"{type(path).__name__}"
            )
        self.path = Path(path)
        if not self.path.is_file():
            found = f"{self.path} is a folder" if self.path.is_dir() else f"no text tokenizer at {self.path}"
            raise UIO2Error(f"{found}: give the path of a sentencepiece tokenizer.model")
        if (mistake := mistaken_for(self.path)) is not None:
            raise UIO2Error(f"{self.path} {mistake}, and not a sentencepiece tokenizer.model; {NEEDED}")
        self.model = self.path.read_bytes()
        if not self.model:
            raise UIO2Error(f"{self.path} is empty: copy it again")
        try:
            pieces = SentencePieceProcessor(model_proto=self.model).get_piece_size()
            self.vocabulary = Vocabulary(pieces, hashlib.sha256(self.model).hexdigest()[:16])
            extended = self.model + b"".join(_piece(text) for text in self.vocabulary.special_pieces())
            self._processor = SentencePieceProcessor(model_proto=extended)
            self._processor.id_to_piece(list(range(self.vocabulary.size)))  # fails unless each is UTF-8
        except (RuntimeError, OSError, UnicodeDecodeError) as error:
            raise UIO2Error(f"{self.path} is not a sentencepiece model: {error}") from error
        controls = (self._processor.bos_id(), self._processor.eos_id(), self._processor.unk_id())
        if sorted(controls) != [0, 1, 2]:
            raise UIO2Error(
                f"{self.path} must hold begin, end and unknown at ids 0..2 and has them at {controls}, a "
                f"layout such as T5's or Gemma's; {NEEDED}"
            )
        self._to_file = dict(enumerate(controls))
        self._from_file = {file_id: ours for ours, file_id in enumerate(controls)}

    @classmethod
    def packaged(cls) -> "TextTokenizer":
        """Return the small tokenizer that ships with the package."""
        return cls(SMALL_MODEL)

    def check_fit(self, text_rows: int) -> None:
        """Raise UIO2Error unless a text table of so many rows was made for tokenizers of this kind.

        The official table is fit by LLaMA's file alone, told by its size and byte pieces. Of its words only a
        few are compared, and with a warning, because stand-ins of the same layout have their uses.
        """
        pieces, official = self.vocabulary.pieces, text_rows == Vocabulary(LLAMA_PIECES).padded_size
        packaged = self.model == SMALL_MODEL.read_bytes()
        kind = "this package's small tokenizer" if packaged else "a tokenizer"
        if official and (pieces != LLAMA_PIECES or not all(map(self._processor.is_byte, _BYTES))):
            lacks = "" if pieces != LLAMA_PIECES else ", without a piece for each byte"
            raise UIO2Error(f"{self.path} is {kind} of {pieces:,} pieces{lacks}; {NEEDED}")
        if self.vocabulary.padded_size != text_rows:
            raise UIO2Error(
                f"{self.path} is {kind} of {pieces:,} pieces, which need a text table of "
                f"{self.vocabulary.padded_size:,} rows; the model has {text_rows:,}: hand in the tokenizer "
                "it was made with"
            )
        for token, piece in _OF_LLAMA.items() if official else ():
            if (found := self._processor.id_to_piece(token)) != piece:
                warnings.warn(
                    f"{self.path} has the layout of LLaMA's tokenizer but other words (piece {token} is "
                    f"{found!r}, not {piece!r}): with official weights its text means nothing",
                    stacklevel=3,
                )
                break

    def check_hash(self, expected: str | None) -> None:
        """Raise UIO2Error unless this is the tokenizer of a vocabulary's hash; None is that of any."""
        if expected not in (None, found := self.vocabulary.hash()):
            raise UIO2Error(
                f"{self.path} is not the tokenizer that the model was made with (the hash of its pieces is "
                f"{found}, not {expected}), so that ids would mean other texts: put its own file there"
            )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without begin or end ids."""
        return [self._from_file.get(token, token) for token in self._processor.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids up to the first end id; padding is nothing, unused rows are unknown."""
        kept = []
        for token in map(int, ids):
            if token == self.vocabulary.eos:
                break
            if token != self.vocabulary.pad:
                token = token if token < self.vocabulary.size else self.vocabulary.unk
                kept.append(self._to_file.get(token, token))
        return self._processor.decode(kept)

    @cached_property
    def specials(self) -> dict[str, int]:
        """Return the id of every special piece by its written form."""
        return {text: self.vocabulary.pieces + i for i, text in enumerate(self.vocabulary.special_pieces())}


def _piece(text: str) -> bytes:
    """Return the protobuf bytes of a user-defined piece: model field 1, {1: piece, 2: score, 3: type}."""
    piece = (_WORD_START + text.replace(" ", _WORD_START)).encode()
    body = b"\x0a" + _varint(len(piece)) + piece + b"\x15\x00\x00\x00\x00" + b"\x18" + _varint(_USER_DEFINED)
    return b"\x0a" + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
