"""Typed, bounded fields of dataclasses: what a field's annotation says is what its value must be.

Unusual: the annotations are the table. `Annotated[int, Range(1, 8)]` is a whole number in that range; of a
text or a list the range bounds the length; `Literal`, `bool`, `float`, `X | None`, tuples and dataclasses
mean what they say. A bool is no number, a float is finite, a list becomes a tuple. It knows no field.
"""

import dataclasses
import functools
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from uio2_agent.errors import UIO2Error


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a number, or length of a text or list."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"


class FieldError(UIO2Error):
    """A field that is unknown, absent, of the wrong type or out of range."""


def check_fields(instance: Any) -> None:
    """Bring the fields of a dataclass to their types, in place, for its `__post_init__`.

    Raises FieldError naming field, value and what is allowed.
    """
    for name, hint in _hints(type(instance)).items():
        object.__setattr__(instance, name, read_value(getattr(instance, name), hint, name))


def build(kind: type, values: Any, where: str = "") -> Any:
    """Make a dataclass of plain JSON values, its parts included.

    Arguments:
        where: path of the dataclass in what is read, for errors; empty for the whole.

    Raises FieldError as `check_fields` does, and for names that are unknown or absent.
    """
    what = where or "the configuration"
    if not isinstance(values, Mapping):
        raise FieldError(f"{what} is {shown(values)} and not an object of fields and values")
    hints = _hints(kind)
    if unknown := [name for name in values if name not in hints]:
        raise FieldError(f"{what} has unknown fields {shown(unknown)}; known are {', '.join(hints)}")
    required = [field.name for field in dataclasses.fields(kind) if not _has_default(field)]
    if missing := [name for name in required if name not in values]:
        raise FieldError(f"{what} lacks {missing}: the file is not whole, or of another kind")
    path = f"{where}." if where else ""
    read = {name: read_value(value, hints[name], path + name) for name, value in values.items()}
    try:
        return kind(**read)
    except UIO2Error as error:
        raise FieldError(f"{where}: {error}" if where else str(error)) from None


def read_value(value: Any, hint: Any, name: str) -> Any:
    """Return a value as its annotation has it; FieldError, with the name, if it is not possible."""
    base, bound = _parts(hint)
    origin, kinds = get_origin(base), get_args(base)
    if origin in (Union, UnionType) and value is None and NoneType in kinds:
        return None
    if origin in (Union, UnionType):
        (base,) = (kind for kind in kinds if kind is not NoneType)
        base, bound = _parts(base)
        origin, kinds = get_origin(base), get_args(base)
    if dataclasses.is_dataclass(base) and isinstance(value, Mapping):
        return build(base, value, name)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        if len(value) == len(kinds) and _within(len(value), bound):
            return tuple(
                read_value(item, kind, f"{name}[{place}]")
                for place, (item, kind) in enumerate(zip(value, kinds, strict=True))
            )
    elif _is(value, base) and _within(len(value) if base is str else value, bound):
        return float(value) if base is float else value
    raise FieldError(f"{name}={shown(value)} is not possible: it takes {described(hint)}")


def hint_of(kind: type, path: str) -> Any:
    """Return the annotation of a field, by its dotted path through parts that may be None."""
    first, _, rest = path.partition(".")
    hint = _hints(kind)[first]
    if not rest:
        return hint
    (part,) = (part for part in (hint, *get_args(hint)) if dataclasses.is_dataclass(part))
    return hint_of(part, rest)


def required(hint: Any) -> Any:
    """Return an annotation without None."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    (kind,) = (kind for kind in get_args(hint) if kind is not NoneType)
    return kind


def described(hint: Any) -> str:
    """Return in words what a field takes."""
    base, bound = _parts(hint)
    origin, kinds = get_origin(base), get_args(base)
    size = "" if bound is None else f" {bound}"
    if origin in (Union, UnionType):
        return f"{described(required(base))}, or null"
    if origin is tuple:
        length = size.strip() or ("any number of" if kinds[-1] is Ellipsis else str(len(kinds)))
        return f"a list of {length} items, each {described(kinds[0])}"
    if origin is Literal:
        return f"one of {', '.join(map(repr, kinds))}"
    if base is str:
        return f"a text of{size} characters" if size else "a text"
    names = {bool: "true or false", int: f"a whole number{size}", float: f"a number{size}"}
    return names.get(base, "an object of fields and values")


def shown(value: Any) -> str:
    """Return a value for an error message: on one line, and short whatever it is."""
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother, self.maxstring = 2, 60, 60

    def repr_int(self, x: int, level: int) -> str:
        if abs(x) < 10**20:
            return repr(x)
        return f"a number of {math.floor(math.log10(abs(x))) + 1:,} digits"  # Python refuses to write some


_SHORT = _Short()


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _has_default(field: dataclasses.Field) -> bool:
    return not field.default is field.default_factory is dataclasses.MISSING


def _parts(hint: Any) -> tuple[Any, Range | None]:
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, None)


def _within(value: float, bound: Range | None) -> bool:
    return bound is None or value in bound


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value has the type of a field that is no list and no part."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is not None or (kind in (int, float) and isinstance(value, bool)):
        return False
    if kind is float:
        return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, kind)
