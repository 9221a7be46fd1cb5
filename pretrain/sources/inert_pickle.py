"""Reads pickles that hold data and objects of a publisher's own packages, without running anything of theirs.

A pickle names classes and functions and calls them; an ordinary reader imports and runs whatever it is told
to. This one knows a short list: numpy's arrays and scalars of numbers and text, a few containers, and names
of the packages it is told and `functools.partial`, which become inert `Record`s.
Nothing is imported for a name, and nothing named is called but what stands here. All else is refused with the
name. Arrays and dtypes are filled by our own checks, because numpy trusts a pickle's word about memory.

It refuses to know what the files mean.
"""

import collections
import functools
import io
import math
import pickle
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from pretrain.sources.schema import DatasetError


class Record:
    """What is left of an object whose class is not here: its name, arguments and state; it does nothing.

    The class stands for itself where a pickle holds a class or a function and no object of it.
    """

    global_name = ""

    def __new__(cls, *arguments: Any, **named: Any) -> "Record":
        record = super().__new__(cls)
        record.arguments, record.named, record.state, record.items = arguments, named, None, []
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:  # a mapping of theirs
        self.items.append((key, value))

    def append(self, item: Any) -> None:  # a list of theirs
        self.items.append(item)

    def extend(self, items: list[Any]) -> None:  # the same, many at once
        self.items.extend(items)

    def __repr__(self) -> str:
        return f"Record({self.global_name}, {self.arguments}, {self.state})"


class _Function:
    """A function a pickle may call. An object of no attributes, so that a pickle cannot change it either."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("it sets an attribute of a function")


class _Dtype:
    """A dtype of numbers or text, as a pickle describes it."""

    def __init__(self, text: str, *_: Any):
        if not isinstance(text, str) or np.dtype(text).kind not in "biufcSU":
            raise pickle.UnpicklingError(f"it holds an array of {text!r}, only numbers and text are read")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class Array(np.ndarray):
    """An array that a pickle's state fills, if it says the truth about its size."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, in_columns, content = state
        _check_size(shape, kind.dtype, content)
        super().__setstate__((1, shape, kind.dtype, bool(in_columns), content))


def _check_size(shape: tuple[int, ...], dtype: np.dtype, content: bytes) -> None:
    whole = isinstance(shape, tuple) and all(isinstance(size, int) and size >= 0 for size in shape)
    if not whole or math.prod(shape) * dtype.itemsize != len(content):
        raise pickle.UnpicklingError(f"an array of {dtype} {shape} has {len(content)} bytes")


def _empty_array(*_: Any) -> Array:
    return Array((0,), np.int8)


def _array_of(buffer: bytes, kind: _Dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    _check_size(shape, kind.dtype, buffer)
    return np.frombuffer(buffer, kind.dtype).reshape(shape, order=order)


def _scalar(kind: _Dtype, content: bytes) -> Any:
    _check_size((), kind.dtype, content)
    return np.frombuffer(content, kind.dtype, 1)[0]


def _latin_bytes(text: str, encoding: str) -> bytes:
    """Bytes of pickles of protocol 2, which has none."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes bytes as {encoding}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Function(_empty_array),
    ("numpy", "dtype"): _Function(_Dtype),
    **{
        (f"numpy.{core}.{module}", name): _Function(call)
        for core in ("core", "_core")
        for module, name, call in (
            ("multiarray", "_reconstruct", _empty_array),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _array_of),
        )
    },
    ("_codecs", "encode"): _Function(_latin_bytes),
    ("collections", "OrderedDict"): _Function(collections.OrderedDict),
    **{
        (module, name): _Function(call)
        for module in ("builtins", "__builtin__")  # the latter in protocols before 3
        for name, call in (("set", set), ("frozenset", frozenset), ("bytes", lambda: b""))
    },
}


class _Refused(Exception):
    """The name that was refused."""


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, packages: Collection[str]):
        super().__init__(file)
        self._packages = packages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module.split(".")[0] in self._packages or (module, name) == ("functools", "partial"):
            return _record_class(f"{module}.{name}")
        raise _Refused(f"{module}.{name}")


@functools.lru_cache(maxsize=1024)
def _record_class(global_name: str) -> type[Record]:
    return type(global_name.rpartition(".")[2], (Record,), {"global_name": global_name})


def load(path: Path, packages: Collection[str]) -> Any:
    """Return what a pickle holds; objects of `packages` become inert.

    Raises DatasetError, in one line with the file: it is missing, cut off or damaged, or it names something
    that is neither data nor of these packages.
    """
    try:
        return _Reader(io.BytesIO(path.read_bytes()), packages).load()
    except _Refused as error:
        raise DatasetError(
            f"{path} names {error}, which is neither data nor of its publisher's: nothing of it was run; do "
            "not use this file, get the data from its publisher again"
        ) from None
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}; get the episode again") from error
    except Exception as error:  # damaged bytes make a pickle do anything at all
        raise DatasetError(
            f"{path} is no whole pickle ({type(error).__name__}: {error}); get the episode again"
        ) from error
