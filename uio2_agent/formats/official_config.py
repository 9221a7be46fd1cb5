"""The nested configuration of the official UIO-2 format, read and written by the table in `official_fields`.

Unusual: a configuration is written only if it comes back the same. Both sides are plain dictionaries; it
knows no class of configuration and no file.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from uio2_agent.errors import UIO2Error
from uio2_agent.formats.official_constants import FIXED, SWITCHES, UNREAD
from uio2_agent.formats.official_fields import DERIVED, FIELDS, OURS, Field

Values = dict[str, Any]
Config = TypeVar("Config")

_AUDIO_INPUTS = {"audio", "audio_history"}
_NEEDED = ("audio_encoder", "audio_history", "image_tokenizer", "audio_tokenizer")


def config_from_official(official: Values, build: Callable[[Values], Config]) -> Config:
    """Read the official nested dictionary; UIO2Error names a field that is absent or not supported.

    Arguments
        build: makes a configuration of a plain dictionary of ours (`UnifiedIO2Config.from_dict`).
    """
    try:
        _check_constants(official)
        hears = bool(_AUDIO_INPUTS & set(official["input_modalities"]))
        rows = [row for row in FIELDS if hears or not row.ours.startswith("audio_encoder.")]
        values = _read(official, rows)
        for path, value in OURS.items():
            _put(values, path, value)
        if not hears:
            values["audio_encoder"] = None
        _check_derived(official, values)
        return build(values)
    except KeyError as error:
        raise UIO2Error(f"the official configuration lacks the field {error}: get the whole file") from None
    except (TypeError, AttributeError) as error:
        raise UIO2Error(f"a field of the official configuration has the wrong type: {error}") from None


def config_to_official(values: Values, build: Callable[[Values], Any]) -> Values:
    """Write the whole official nested dictionary; the inverse of `config_from_official`.

    Raises UIO2Error if the configuration says anything that the official one has no field for.
    """
    if any(values[part] is None for part in _NEEDED):
        raise UIO2Error("a model without audio inputs or without target tokenizers has no official form")

    def ours(path: str) -> Any:
        return _look_up(values, path)

    official: Values = {}
    for constants in (UNREAD, FIXED):
        for part, fields in constants.items():
            official[part] = official.get(part, {}) | fields
    for row in (*FIELDS, *DERIVED):
        _put(official, row.official, _as_list(ours(row.ours) if row.write is None else row.write(ours)))
    official |= dict.fromkeys(SWITCHES, True)
    again = config_from_official(official, build).to_dict()
    # Only fresh models read position_init.
    if lost := [name for name in values if values[name] != again[name] and name != "position_init"]:
        raise UIO2Error(f"the official configuration cannot say what this model has as {', '.join(lost)}")
    return official


def part_from_official(part: str, official: Values) -> Values:
    """Read one part of an official configuration, by its official name, as fields of our class for it."""
    rows = [row for row in FIELDS if row.official.startswith(f"{part}.")]
    (values,) = _read({part: official}, rows).values()
    return values


def _read(official: Values, rows: Iterable[Field]) -> Values:
    """Return our plain dictionary of some fields."""

    def theirs(path: str) -> Any:
        return _look_up(official, path)

    values: Values = {}
    for row in rows:
        if row.read is not None:
            value = row.read(theirs)
        else:
            value = _look_up(official, row.official, row.may_lack)
        _put(values, row.ours, tuple(value) if isinstance(value, list) else value)
    return values


def _check_constants(official: Values) -> None:
    """Raise UIO2Error where a file says other than all releases do."""
    for part, fields in FIXED.items():
        for name, value in fields.items():
            found = official.get(part, {}).get(name, value)
            if found != value:
                raise UIO2Error(f"{part}.{name}={found!r} is not supported; releases have {value!r}")
    if official["t5_config"]["num_heads"] == 1:
        raise UIO2Error("t5_config.num_heads=1 is not supported: officially it loses its rotary positions")
    if off := [name for name, on in official.items() if re.fullmatch(r"use_\w+_vit", name) and not on]:
        raise UIO2Error(f"{', '.join(off)} is false: models that take raw patches are not supported")


def _check_derived(official: Values, values: Values) -> None:
    """Raise UIO2Error where a file contradicts itself."""
    for row in DERIVED:
        if not row.must_agree:
            continue
        found = _look_up(official, row.official, row.may_lack)
        expected = _as_list(row.write(lambda path: _look_up(values, path)))
        if None not in (found, expected) and found != expected:
            raise UIO2Error(
                f"{row.official}={found} is not supported: the other fields of the file want {expected}"
            )


def _look_up(values: Values, path: str, may_lack: bool = False) -> Any:
    """Return the field at a path; None below a part that is None, or that is absent and may be."""
    *parts, name = path.split(".")
    for part in parts:
        values = values[part]
        if values is None:
            return None
    return values.get(name) if may_lack else values[name]


def _put(values: Values, path: str, value: Any) -> None:
    *parts, name = path.split(".")
    for part in parts:
        values = values.setdefault(part, {})
    values[name] = value


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
