"""Text tokenizers: a sentencepiece model with the unified vocabulary on top.

Unusual: the official code rewrites the sentencepiece file so that padding is 0, end is 1, unknown is 2.
Here the file's own three control ids are permuted outside, and the special pieces are appended by
concatenating protobuf bytes (a repeated field), so no protobuf library is needed. Special pieces match only
at a word start. It adds no control ids.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from uio2_agent.errors import UIO2Error
from uio2_agent.vocabulary import Vocabulary

SMALL_MODEL = Path(__file__).parent / "checkpoints" / "small_tokenizer.model"
_WORD_START = "\u2581"
_USER_DEFINED = 4  # the piece type of sentencepiece's protobuf


class TextTokenizer:
    """Turn text into ids of the unified vocabulary and back.

    >>> tokenizer = TextTokenizer.packaged()
    >>> tokenizer.decode(tokenizer.encode("pick from ( <extra_id_200> )"))
    'pick from ( <extra_id_200> )'
    """

    def __init__(self, path: str | Path):
        from sentencepiece import SentencePieceProcessor

        self.path = Path(path)
        if not self.path.is_file():
            raise UIO2Error(
                f"no text tokenizer at {self.path}: give the path of a sentencepiece tokenizer.model"
            )
        self.model = self.path.read_bytes()
        try:
            pieces = SentencePieceProcessor(model_proto=self.model).get_piece_size()
            self.vocabulary = Vocabulary(pieces, hashlib.sha256(self.model).hexdigest()[:16])
            extended = self.model + b"".join(_piece(text) for text in self.vocabulary.special_pieces())
            self._processor = SentencePieceProcessor(model_proto=extended)
        except (RuntimeError, OSError) as error:
            raise UIO2Error(f"{self.path} is not a sentencepiece model: {error}") from error
        controls = (self._processor.bos_id(), self._processor.eos_id(), self._processor.unk_id())
        if sorted(controls) != [0, 1, 2]:
            raise UIO2Error(
                f"{self.path} must hold begin, end and unknown at ids 0..2; they are at {controls}"
            )
        self._to_file = dict(enumerate(controls))
        self._from_file = {file_id: ours for ours, file_id in enumerate(controls)}

    @classmethod
    def packaged(cls) -> "TextTokenizer":
        """Return the small tokenizer that ships with the package."""
        return cls(SMALL_MODEL)

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
