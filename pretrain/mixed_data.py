"""Data as a run's configuration names them, and the mixture they make.

    mixture: pretraining                                  a table, by name or file
    data:
      c4:      {path: /data/c4, kind: text}               stands for the table's set of its own name
      bridge:  {path: /data/bridge, set: procthor, kind: trajectory}
      shapes:  {path: generated, kind: image_text, examples: 2000, rate: 5}

What the table says of a set (its kind) need not be said again; a rate of one's own, in the table's percent,
goes before the table's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pretrain.generated.source import GeneratedSource
from pretrain.mixture import Limit, Mixture
from pretrain.mixture_table import MixtureTable
from pretrain.sources.opening import open_source
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import Source
from uio2_agent.fields import Range, build, check_fields
from uio2_agent.labels.controls import ControlSpace

GENERATED = "generated"
"""The path of data that are made, not read."""


@dataclass(frozen=True)
class DataEntry:
    """One source, as a configuration names it."""

    path: str
    """A folder, a file, a pattern of files, or "generated"."""
    kind: str | None = None
    set: str | None = None
    """The set of the table it stands for; None for the one of its own name."""
    rate: Annotated[float, Range(1e-9, 1e9)] | None = None
    most_examples: Annotated[int, Range(1, 10**15)] | None = None
    most_epochs: Annotated[float, Range(1e-6, 1e9)] | None = None
    examples: Annotated[int, Range(1, 10**9)] = 1000
    """How many a generated source has."""
    seed: int = 0
    """Of a generated source."""

    def __post_init__(self) -> None:
        check_fields(self)


def open_mixture(
    data: Mapping[str, Mapping[str, Any]],
    seed: int,
    table: MixtureTable | None = None,
    temperature: float = 1.0,
    controls: Mapping[str, ControlSpace] | None = None,
) -> tuple[Mixture, dict[str, Source]]:
    """Open all data and return the mixture they make, with the sources by name.

    An entry holds the fields of `DataEntry`, and `columns`, a mapping for `open_source`. `controls` are
    ranges of robots' actions by source, where a model has learned them; others are taken from the data.
    Raises DatasetError, or FieldError, for what cannot be opened or has no kind or rate.
    """
    if not data:
        raise DatasetError("no data: name at least one source, with its path and kind")
    entries: dict[str, DataEntry] = {}
    sources: dict[str, Source] = {}
    for name, values in data.items():
        fields = {field: value for field, value in values.items() if field != "columns"}
        entries[name] = build(DataEntry, fields, f"data.{name}")
        sources[name] = _opened(name, entries[name], values.get("columns"), table, (controls or {}).get(name))
    lengths = {name: len(source) for name, source in sources.items()}
    own = {name: entry.rate / 100 for name, entry in entries.items() if entry.rate is not None}
    placed = {name: entry.set or name for name, entry in entries.items() if name not in own}
    if placed and table is None:
        raise DatasetError(f"source {next(iter(placed))} has no rate: give rate=, or a mixture's table")
    rates = {**(table.rates_of(placed, lengths) if table else {}), **own}
    limits = {
        name: Limit(entry.most_examples, entry.most_epochs)
        for name, entry in entries.items()
        if entry.most_examples is not None or entry.most_epochs is not None
    }
    return Mixture(lengths, rates, seed, temperature, limits), sources


def _opened(
    name: str,
    entry: DataEntry,
    columns: Mapping[str, str] | None,
    table: MixtureTable | None,
    controls: ControlSpace | None,
) -> Source:
    row = table.sets.get(entry.set or name) if table else None
    kind = entry.kind or (row.kind if row else None)
    if kind is None:
        raise DatasetError(f"source {name} has no kind: say what its examples are, for instance kind: text")
    if entry.path == GENERATED:
        return GeneratedSource(name, kind, entry.examples, entry.seed)
    return open_source(name, entry.path, kind, columns, controls=controls)
