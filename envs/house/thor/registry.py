"""The list of actions: their names, their parameters with defaults and types, and how one is called.

An action is a function of the session and keywords whose names, types and defaults are AI2-THOR's; what it
returns becomes `actionReturn`. Unusual: the Python signature is the declaration, and everything that a
Controller may get wrong is checked against it here.
"""

import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from envs.errors import shown
from envs.house.thor.errors import INVALID_ACTION, INVALID_ARGUMENT, MISSING_ARGUMENTS, ActionError

EVERYWHERE = frozenset(
    {
        *("action", "sequenceId", "agentId", "renderImage", "renderObjectImage", "renderClassImage"),
        *("renderNormalsImage", "renderInstanceSegmentation", "renderSemanticSegmentation"),
    }
)
"""What may stand beside any action's own parameters."""


class Vector(dict):
    """The type of a parameter {x, y, z}, of which some may be left out."""


@dataclass(frozen=True)
class Action:
    """One action."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, tuple[type, Any]]
    """Name → type and default; `inspect.Parameter.empty` where it must be given."""
    takes_any: bool
    """Whether further names are handed over too."""
    still: bool
    """Whether it leaves all things as they are, so that what was told of them stays true."""


ACTIONS: dict[str, Action] = {}


def action(*names: str, still: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under the names of an action."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        hints = typing.get_type_hints(function)
        parameters, takes_any = {}, False
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_any = True
            else:
                parameters[name] = _plain(hints[name]), parameter.default
        for name in names:
            ACTIONS[name] = Action(name, function, parameters, takes_any, still)
        return function

    return register


def _plain(hint: Any) -> type:
    """The type of `type | None`."""
    if isinstance(hint, types.UnionType):
        (hint,) = (each for each in typing.get_args(hint) if each is not type(None))
    return typing.get_origin(hint) or hint


def find(name: Any) -> Action:
    """Return an action by name; ActionError for one that does not exist."""
    if isinstance(name, str) and name in ACTIONS:
        return ACTIONS[name]
    close = difflib.get_close_matches(str(name)[:80], ACTIONS, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    raise ActionError(
        f"Invalid action: {shown(name) if len(str(name)) > 80 else name}{meant}", INVALID_ACTION
    )


def arguments(found: Action, command: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an action is called with; ActionError for what is missing, unknown or of another type."""
    given = {name: value for name, value in command.items() if value is not None}
    unknown = [name for name in given if name not in found.parameters and name not in EVERYWHERE]
    if unknown and not found.takes_any:
        raise ActionError(
            f"action: {found.name} has invalid arguments: {','.join(unknown)}. "
            f"It takes: {','.join(found.parameters) or 'none'}",
            INVALID_ARGUMENT,
        )
    missing = [
        name
        for name, (_, default) in found.parameters.items()
        if default is inspect.Parameter.empty and name not in given
    ]
    if missing:
        raise missing_arguments(found.name, missing)
    read = {
        name: _read(found.name, name, kind, given[name])
        for name, (kind, _) in found.parameters.items()
        if name in given
    }
    if found.takes_any:
        read.update((name, given[name]) for name in unknown)
    return read


def missing_arguments(action: str, names: list[str]) -> ActionError:
    """Build the error of an action that needs more than it was given."""
    text = f"action: {action} is missing the following arguments: {','.join(names)}"
    return ActionError(text, MISSING_ARGUMENTS)


def _read(action: str, name: str, kind: type, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if kind is float and number:
        return float(value)
    if kind is int and number and value == int(value):
        return int(value)
    if kind is Vector and isinstance(value, Mapping) and set(value) <= {"x", "y", "z"}:
        return Vector({axis: _read(action, f"{name}.{axis}", float, each) for axis, each in value.items()})
    if kind not in (float, int, Vector) and isinstance(value, kind):
        return value
    raise ActionError(
        f"action: {action} has an invalid argument: {name} (=={shown(value)}). "
        f"Cannot convert to: {'Vector3' if kind is Vector else kind.__name__}",
        INVALID_ARGUMENT,
    )


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all measure
        return False
