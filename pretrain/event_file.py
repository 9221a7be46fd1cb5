"""Scalars in the files that TensorBoard reads, written here, which saves the tensorboard package.

Such a file is a row of records: length, checksum of the length, content, checksum of the content. A content
is an `Event` message of protocol buffers, of which a scalar needs four fields. Checksums are CRC-32C,
rotated and shifted as TensorFlow's record files have them.
"""

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_MASK = 0xA282EAD8


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


class EventFile:
    """A new file in `directory`, to which scalars are added.

    What other files there hold after `step` is of steps that are taken again, and is not shown.
    """

    def __init__(self, directory: Path, step: int = 0):
        directory.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = (
            f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        )
        self.path = directory / name
        self._write(_double(1, now) + _text(3, b"brain.Event:2"))
        started = _tag(1, 0) + _varint(1)
        self._write(_double(1, now) + _tag(2, 0) + _varint(step + 1) + _text(7, started))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add named values of a step. Raises OSError naming the file."""
        summary = b"".join(
            _text(1, _text(1, name.encode()) + _tag(2, 5) + struct.pack("<f", value))
            for name, value in values.items()
        )
        self._write(_double(1, time.time()) + _tag(2, 0) + _varint(step) + _text(5, summary))

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        record = length + _checksum(length) + event + _checksum(event)
        with open(self.path, "ab", buffering=0) as file:
            file.write(record)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _checksum(data: bytes) -> bytes:
    value = crc32c(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + _MASK) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _text(field: int, content: bytes) -> bytes:
    return _tag(field, 2) + _varint(len(content)) + content


def _double(field: int, value: float) -> bytes:
    return _tag(field, 1) + struct.pack("<d", value)
