"""Messages between a policy and those it decides for, as bytes: msgpack with arrays, in the form that
openpi-client writes and reads (`openpi_client.msgpack_numpy`).

An array is a map of `__ndarray__`, `data`, `dtype` and `shape`, a numpy scalar one of `__npgeneric__`, `data`
and `dtype`, all keys bytes. Who sends is not trusted: nothing is unpickled, arrays hold plain numbers or
letters, and a shape has as many values as there is data. Refuses to know what messages mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from uio2_agent.errors import UIO2Error

LARGEST = 2**26
"""Bytes of a message that are taken from others."""
INSTALL = "pip install 'uio2-agent[serve]'"
_KINDS = "biufSU"
_DIMENSIONS = 32


class WireError(UIO2Error):
    """Bytes that are no message, or a value that cannot be sent."""


def msgpack() -> Any:
    """Return the package; UIO2Error where it is not installed, or websockets is not."""
    try:
        import msgpack
        import websockets  # noqa: F401
    except ImportError as error:
        raise UIO2Error(f"policies behind a websocket need {error.name}: {INSTALL}") from None
    return msgpack


def packed(value: Any) -> bytes:
    """Return the bytes of maps, lists, texts, numbers, arrays and dataclasses; these travel as maps of their
    fields. WireError for anything else.
    """
    try:
        return msgpack().packb(value, default=_plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"this cannot be sent: {error}") from None


def unpacked(data: bytes) -> Any:
    """Return the value of a message. Arrays are the receiver's own. WireError for bytes that are no message,
    and for arrays of anything but numbers and letters.
    """
    if len(data) > LARGEST:
        raise WireError(f"a message of {len(data)} bytes is larger than {LARGEST}")
    try:
        return msgpack().unpackb(data, object_hook=_array, ext_hook=_refused)
    except WireError:
        raise
    except Exception as error:  # msgpack's own have many roots
        raise WireError(f"no msgpack: {type(error).__name__} {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in _KINDS:
        raise TypeError(f"an array of {value.dtype}, which is no plain number or text")
    if isinstance(value, np.ndarray):
        about = {b"dtype": value.dtype.str, b"shape": value.shape}
        return {b"__ndarray__": True, b"data": value.tobytes(), **about}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"a {type(value).__name__}")


def _array(found: dict) -> Any:
    if b"__ndarray__" in found:
        kind, shape, data = _kind(found), found.get(b"shape"), found.get(b"data")
        whole = isinstance(shape, list) and all(type(side) is int and side >= 0 for side in shape)
        if not whole or len(shape) > _DIMENSIONS or type(data) is not bytes:
            raise WireError("an array without data, or with a shape that is none")
        if math.prod(shape) * kind.itemsize != len(data):
            raise WireError(f"an array of shape {shape} and type {kind} has {len(data)} bytes of data")
        if not data:
            return np.empty(shape, kind)
        return np.frombuffer(data, kind).reshape(shape).copy()
    if b"__npgeneric__" in found:
        return np.asarray(found.get(b"data")).astype(_kind(found))[()]
    return found


def _kind(found: Mapping[bytes, Any]) -> np.dtype:
    written = found.get(b"dtype")
    try:
        kind = np.dtype(written) if isinstance(written, str) and len(written) < 16 else None
    except TypeError:
        kind = None
    if kind is None or kind.kind not in _KINDS or not kind.itemsize:
        raise WireError(f"an array of {written!r:.40}, which is no plain number or text")
    return kind


def _refused(code: int, data: bytes) -> Any:
    raise WireError(f"a msgpack extension ({code}), which no message here has")
