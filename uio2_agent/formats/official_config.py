"""The nested configuration of the official UIO-2 format, read and written by the table in `official_fields`.

Unusual: a configuration is written only if it comes back the same. Every field of the format is checked,
those that nobody computes with for their type. It knows no file, and the class of our configuration only as
it is handed in.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import FieldError, Range, build, hint_of, read_value, required, shown
from uio2_agent.formats.official_constants import FIXED, METADATA, SWITCHES, UNREAD
from uio2_agent.formats.official_fields import DERIVED, FIELDS, OURS, Field

Values = dict[str, Any]
Config = TypeVar("Config")

_INPUTS = "input_modalities"
_AUDIO_INPUTS = {"audio", "audio_history"}
_UNSAID = ("position_init", "tokenizer")
"""Fields of ours that no official model needs: of fresh models, and of the file beside it."""
_NEEDED = ("audio_encoder", "audio_history", "image_tokenizer", "audio_tokenizer")


def config_from_official(official: Values, kind: type[Config]) -> Config:
    """Read the official nested dictionary as a configuration of a class (`UnifiedIO2Config`).

    Raises UIO2Error naming a field that is absent, unknown, out of range or not supported.
    """
    _check_names(official)
    _check_constants(official)
    given = _look_up(official, _INPUTS)
    hears = bool(_AUDIO_INPUTS & set(read_value(given, hint_of(kind, _INPUTS), _INPUTS)))
    rows = [row for row in FIELDS if hears or not row.ours.startswith("audio_encoder.")]
    values = _read(official, rows, kind)
    for path, value in OURS.items():
        _put(values, path, value)
    if not hears:
        values["audio_encoder"] = None
    try:
        config = build(kind, values)
    except UIO2Error as error:
        raise UIO2Error(f"{error} (the fields as this package names them)") from None
    _check_derived(official, values)
    return config


def config_to_official(values: Values, kind: type) -> Values:
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
    again = config_from_official(official, kind).to_dict()
    if lost := [name for name in values if values[name] != again[name] and name not in _UNSAID]:
        raise UIO2Error(f"the official configuration cannot say what this model has as {', '.join(lost)}")
    return official


def part_from_official(part: str, official: Values) -> Values:
    """Read one part of an official configuration, by its official name, as fields of our class for it."""
    rows = [row for row in FIELDS if row.official.startswith(f"{part}.")]
    (values,) = _read({part: official}, rows).values()
    return values


def _read(official: Values, rows: Iterable[Field], kind: type | None = None) -> Values:
    """Return our plain dictionary of some fields, checked if the class of our configuration is given."""
    rows = list(rows)
    checked: Values = {}
    for row in rows:
        value = _look_up(official, row.official, row.may_lack)
        if kind is not None:
            hint = row.kind or hint_of(kind, row.ours)
            value = read_value(value, hint if row.may_lack else required(hint), row.official)
        checked[row.official] = value
    values: Values = {}
    for row in rows:
        _put(values, row.ours, checked[row.official] if row.read is None else row.read(checked.__getitem__))
    return values


def _check_names(official: Values) -> None:
    """Raise FieldError for parts that are none, and for names that the format does not have."""
    known: dict[str, set[str]] = {}
    for path in (row.official for row in (*FIELDS, *DERIVED)):
        part, _, name = path.rpartition(".")
        known.setdefault(part, set()).add(name)
    for constants in (FIXED, UNREAD):
        for part, fields in constants.items():
            known.setdefault(part, set()).update(fields)
    whole = known.pop("") | known.keys() | {*SWITCHES, *METADATA}
    if unknown := [name for name in official if name not in whole]:
        raise FieldError(f"the official configuration has unknown fields {shown(unknown)}")
    for part, names in known.items():
        if not isinstance(fields := official.get(part, {}), dict):
            raise FieldError(
                f"{part}={shown(fields)} is not possible: it takes an object of fields and values"
            )
        if unknown := [name for name in fields if name not in names]:
            raise FieldError(f"{part} has unknown fields {shown(unknown)}")


def _check_constants(official: Values) -> None:
    """Raise UIO2Error where a file says other than all releases do, or what is no value of a field."""
    for part, fields in FIXED.items():
        for name, value in fields.items():
            found = official.get(part, {}).get(name, value)
            if not _same(found, value):
                raise UIO2Error(f"{part}.{name}={shown(found)} is not supported; releases have {value!r}")
    for part, fields in UNREAD.items():
        for name, usual in fields.items():
            read_value(official.get(part, {}).get(name, usual), _like(usual), f"{part}.{name}")
    for name in SWITCHES:
        if not read_value(official.get(name, True), bool, name):
            raise UIO2Error(f"{name} is false: models that take raw patches are not supported")
    if _look_up(official, "t5_config.num_heads") == 1:
        raise UIO2Error("t5_config.num_heads=1 is not supported: officially it loses its rotary positions")


def _check_derived(official: Values, values: Values) -> None:
    """Raise UIO2Error where a file contradicts itself in what the official code computes with."""
    for row in DERIVED:
        part, _, name = row.official.rpartition(".")
        if row.kind is not None:
            if name in official[part]:
                read_value(official[part][name], row.kind, row.official)
            continue
        found = _look_up(official, row.official, row.may_lack)
        expected = _as_list(row.write(lambda path: _look_up(values, path)))
        if expected is not None and not _same(found, expected) and not (found is None and row.may_lack):
            raise UIO2Error(
                f"{row.official}={shown(found)} is not supported: the other fields of the file want "
                f"{expected}"
            )


_RATE = Annotated[float, Range(0, 1)]


def _like(example: Any) -> Any:
    """Return the annotation of a field that nobody computes with, by its usual value."""
    if isinstance(example, list):
        return Annotated[tuple[Annotated[int, Range(-8, 8)], ...], Range(0, 8)]
    return type(example) if isinstance(example, bool | str) else _RATE


def _same(found: Any, expected: Any) -> bool:
    return type(found) is type(expected) and found == expected


def _look_up(values: Values, path: str, may_lack: bool = False) -> Any:
    """Return the field at a path; None below a part that is None, or that is absent and may be."""
    *parts, name = path.split(".")
    for part in parts:
        if part not in values:
            raise FieldError(f"the official configuration lacks the part {part}: get the whole file")
        if (values := values[part]) is None:
            return None
    if name not in values and not may_lack:
        raise FieldError(f"the official configuration lacks the field {path!r}: get the whole file")
    return values.get(name)


def _put(values: Values, path: str, value: Any) -> None:
    *parts, name = path.split(".")
    for part in parts:
        values = values.setdefault(part, {})
    values[name] = value


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
