"""Codes of pictures and sounds that were met before.

A frozen tokenizer gives the same codes each time, and on a CPU it costs a small model more than learning from
them does. Unusual: what is not known is tokenised one by one, so that codes are a function of the values
alone, not of what else was in the batch or met before.
"""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

_MOST_BYTES = 256 * 2**20


class CodeMemory:
    """Codes by the content of what they stand for; full, it keeps what it has."""

    def __init__(self, most_bytes: int = _MOST_BYTES):
        self._known: dict[bytes, Tensor] = {}
        self._left = most_bytes

    def codes(self, values: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        """Return int64 [B, N], the codes of values [B, ...]; `encode` makes those of [1, ...]."""
        return torch.cat([self._row(values[row : row + 1], encode) for row in range(len(values))])

    def _row(self, values: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        content = values.detach().cpu().contiguous().view(torch.uint8).numpy()
        key = hashlib.blake2b(content, digest_size=16).digest()
        if (known := self._known.get(key)) is not None:
            return known.to(values.device, torch.int64)
        codes = encode(values)  # [1, N]
        kept = codes.to("cpu", torch.int32)
        if kept.nbytes <= self._left:
            self._known[key] = kept
            self._left -= kept.nbytes
        return codes
