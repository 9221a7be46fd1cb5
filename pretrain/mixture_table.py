"""Tables of a mixture: groups and sets with their rates, as YAML; the paper's two ship with the package.

    groups:  name: {rate, size, inputs, targets, kind}      rate in percent
    sets:    name: {group, rate, size, …}                   what is not said is its group's

A table is checked when it is read: the rates of a group's sets add up to the group's, and the groups' to 100,
as far as printed digits go. It refuses to know where data lie.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from pretrain.sources.schema import DatasetError
from uio2_agent.errors import UIO2Error, did_you_mean, offered
from uio2_agent.fields import Range, build, check_fields

PACKAGED = Path(__file__).parent / "mixtures"
_ROUNDING = 0.01
"""A sum of n printed rates may be off by this for each, of rates above 10 by ten times as much."""


@dataclass(frozen=True)
class TableGroup:
    """Sets of one sort."""

    rate: Annotated[float, Range(0, 100)]
    """Percent of all examples."""
    size: float | None = None
    """Number of examples there are."""
    datasets: int | None = None
    """How many data sets the paper counts."""
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    kind: str | None = None
    """What its examples are (`pretrain.sources.opening`)."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class TableSet(TableGroup):
    """One row of the table."""

    group: str = ""


@dataclass(frozen=True)
class MixtureTable:
    """Groups and sets by name, in the order of the table."""

    name: str
    groups: Mapping[str, TableGroup]
    sets: Mapping[str, TableSet]

    def rates(self) -> dict[str, float]:
        """Return the share of each set; their sum is 1, and that of a group's is the group's share."""
        printed = {group: sum(self.sets[name].rate for name in self._of(group)) for group in self.groups}
        whole = sum(group.rate for group in self.groups.values())
        return {
            name: self.groups[entry.group].rate / whole * entry.rate / printed[entry.group]
            for name, entry in self.sets.items()
        }

    def rates_of(self, placed: Mapping[str, str], lengths: Mapping[str, int]) -> dict[str, float]:
        """Return the rate of each source that stands for a set of the table, by the source's name.

        Several sources of one set share its rate by the square roots of their lengths. Nothing is
        renormalised: `Mixture` does that. Raises DatasetError for a set that is not in the table.
        """
        rates = self.rates()
        for source, name in placed.items():
            if name not in rates:
                raise DatasetError(
                    f"source {source} is to be {name!r} of the mixture {self.name}, which has no such set"
                    f"{did_you_mean(name, rates)}: use {offered(name, rates)}"
                )
        roots: dict[str, float] = {}
        for source, name in placed.items():
            roots[name] = roots.get(name, 0.0) + math.sqrt(lengths[source])
        return {
            source: rates[name] * math.sqrt(lengths[source]) / roots[name] for source, name in placed.items()
        }

    def _of(self, group: str) -> list[str]:
        return [name for name, entry in self.sets.items() if entry.group == group]


def packaged_tables() -> list[str]:
    """Return the names of the tables that ship with the package."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def read_table(name_or_path: str | Path) -> MixtureTable:
    """Return a table of the package by name, or of a file.

    Raises DatasetError when there is none, a field is wrong, a set is of no group, or sums do not fit.
    """
    known = packaged_tables()
    path = PACKAGED / f"{name_or_path}.yaml" if str(name_or_path) in known else Path(name_or_path)
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        groups = {
            name: build(TableGroup, values, f"groups.{name}") for name, values in table["groups"].items()
        }
        sets = {name: _set(name, values, table["groups"]) for name, values in table["sets"].items()}
    except OSError as error:
        raise DatasetError(
            f"no mixture {str(name_or_path)!r}{did_you_mean(str(name_or_path), known)}: it is neither a file "
            f"nor one of {', '.join(known)}"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UIO2Error) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} is no mixture ({reason}): it has groups and sets by name") from error
    found = MixtureTable(str(table.get("name", path.stem)), groups, sets)
    _check_sums(found, path)
    return found


def _set(name: str, values: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> TableSet:
    if values.get("group") not in groups:
        raise DatasetError(f"set {name} is of group {values.get('group')!r}, of which there is none")
    kept = ("inputs", "targets", "kind")
    inherited = {key: value for key, value in groups[values["group"]].items() if key in kept}
    return build(TableSet, {**inherited, **values}, f"sets.{name}")


def _check_sums(table: MixtureTable, path: Path) -> None:
    sums = {group: [table.sets[name].rate for name in table._of(group)] for group in table.groups}
    checked = [(f"the sets of {group}", rates, table.groups[group].rate) for group, rates in sums.items()]
    checked.append(("all groups", [group.rate for group in table.groups.values()], 100.0))
    for what, rates, whole in checked:
        slack = sum(_ROUNDING * (10 if rate >= 10 else 1) for rate in [*rates, whole])
        if abs(sum(rates) - whole) > slack:
            raise DatasetError(f"{path}: the rates of {what} add up to {sum(rates):g}, not {whole:g}")
