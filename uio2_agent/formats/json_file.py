"""JSON files of a model directory, read with bounds: nothing in one can hang or end a program.

Unusual: a name that stands twice in an object, NaN and infinity are refused, which Python's reader takes.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from uio2_agent.errors import CheckpointError
from uio2_agent.fields import shown

MOST_BYTES = 16 * 2**20
MOST_DIGITS = 100


def read_object(path: Path) -> dict[str, Any]:
    """Return the object that a UTF-8 file holds; CheckpointError, naming the file, if it holds none."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    return parse_object(content, str(path))


def parse_object(content: bytes, what: str) -> dict[str, Any]:
    """Return the object that UTF-8 JSON describes; CheckpointError, saying of what, if it describes none."""
    try:
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
        values = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_number(int),
            parse_float=_number(float),
            parse_constant=_constant,
        )
    except RecursionError:
        raise CheckpointError(f"{what} is not readable JSON: it is nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{what} is not readable JSON ({error}): copy or write it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{what} holds {shown(values)} and not an object of fields and values")
    return values


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{shown(name)} stands there more than once")
    return values


def _number(kind: type) -> Any:
    def read(text: str) -> int | float:
        if len(text) > MOST_DIGITS:
            raise ValueError(f"a number of {len(text):,} characters")
        return kind(text)

    return read


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
