"""Continuous actions as location tokens inside round brackets: one token for each dimension.

Each dimension has its range, usually two quantiles of the training set, which must be stored with the data
set and the checkpoint: an action read with another range is another action. A switch (a gripper) is written
as bin 0 or 999 and read as the nearer end. Refuses to know what the dimensions move.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.files import replace_file
from uio2_agent.formats.json_file import read_object
from uio2_agent.labels.locations import LOCATION, Range, checked, values_in, write_values

CONTROLS_FILE = "controls.json"


@dataclass(frozen=True)
class ControlSpace:
    """What the numbers of an action are called, and between which values they lie.

    >>> space = ControlSpace(("translation x", "gripper"), (-0.1, 0.0), (0.1, 1.0), switches=("gripper",))
    >>> space.write([0.0, 0.8])
    '( <extra_id_699> <extra_id_1199> )'
    >>> space.description
    '<translation x, gripper>'
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    switches: tuple[str, ...] = ()
    """Names of the dimensions that have two values only, `low` and `high`."""

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.low) == len(self.high) > 0:
            raise UIO2Error(
                f"{len(self.names)} names, {len(self.low)} lower and {len(self.high)} upper bounds: give "
                "one of each for every dimension"
            )
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not (np.isfinite([low, high]).all() and low <= high):
                raise UIO2Error(f"the range of {name!r} is {low} to {high}; it must be finite and ascending")
        if unknown := set(self.switches) - set(self.names):
            raise UIO2Error(f"switches {sorted(unknown)} are no dimensions; there are {list(self.names)}")

    @classmethod
    def from_data(
        cls,
        actions: np.ndarray,
        names: Sequence[str],
        switches: Sequence[str] = (),
        quantiles: tuple[float, float] = (0.01, 0.99),
    ) -> Self:
        """Take the ranges from actions [n, dimensions]: two quantiles, the extremes of a switch."""
        actions = checked(actions, len(names), "actions")
        if not len(actions):
            raise UIO2Error("no actions to take ranges from: give at least one")
        low, high = np.quantile(actions, quantiles, axis=0)
        switch = np.isin(names, switches)
        low, high = np.where(switch, actions.min(0), low), np.where(switch, actions.max(0), high)
        return cls(tuple(names), tuple(low.tolist()), tuple(high.tolist()), tuple(switches))

    @property
    def description(self) -> str:
        """The names in order, as a prompt states them."""
        return f"<{', '.join(self.names)}>"

    def write(self, action: np.ndarray) -> str:
        """Write one action [dimensions]; numbers outside the ranges are clipped.

        Raises UIO2Error if the action has another length, or a number is not finite.
        """
        fractions = self._range.to_fractions(checked(action, len(self.names), "an action"))
        if len(fractions) != 1:
            raise UIO2Error(f"one action at a time; got {len(fractions)}")
        return f"( {write_values(self._settled(fractions))} )"

    def read(self, text: str, released: bool = False) -> np.ndarray:
        """Read all actions [n, dimensions] of a text; brackets with another count are passed over."""
        bracket = re.compile(rf"\( ((?:{LOCATION} ){{{len(self.names)}}})\)")
        rows = [values_in(match[1], released) for match in bracket.finditer(text)]
        fractions = np.array(rows, np.float64).reshape(-1, len(self.names))
        return self._range.to_numbers(self._settled(fractions))

    @property
    def _range(self) -> Range:
        return Range(np.array(self.low), np.array(self.high))

    def _settled(self, fractions: np.ndarray) -> np.ndarray:
        """Return fractions [n, dimensions] with switches at 0 or 1."""
        return np.where(np.isin(self.names, self.switches), np.round(fractions), fractions)


def save_controls(directory: str | Path, controls: Mapping[str, ControlSpace]) -> None:
    """Write how a checkpoint's actions are to be read, by the name of their data set."""
    values = {name: asdict(space) for name, space in controls.items()}
    replace_file(Path(directory, CONTROLS_FILE), json.dumps(values, indent=2) + "\n")


def load_controls(directory: str | Path) -> dict[str, ControlSpace]:
    """Read how a checkpoint's actions are to be read, by the name of their data set; none where there is no
    file.

    Raises UIO2Error naming the file for one that holds something else.
    """
    path = Path(directory, CONTROLS_FILE)
    if not path.is_file():
        return {}
    try:
        return {
            name: ControlSpace(**{field: tuple(values) for field, values in space.items()})
            for name, space in read_object(path).items()
        }
    except (UIO2Error, TypeError, AttributeError) as error:
        raise UIO2Error(
            f"{path} holds no ranges of actions ({error}): get the checkpoint's own file, or delete it"
        ) from None
