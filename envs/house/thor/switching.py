"""Actions that open, light and change objects where they stand.

Unusual: what is sliced, broken, cooked, dirty, filled or used up is a state that metadata tell of; it looks
as before.
"""

from collections.abc import Callable

from envs.house.scene import Thing
from envs.house.simulator import ThingState
from envs.house.thor.agent import Agent
from envs.house.thor.errors import ActionError
from envs.house.thor.objects import kind, opens, target
from envs.house.thor.registry import action

LIQUIDS = ("coffee", "wine", "water")


@action("OpenObject")
def open_object(
    agent: Agent,
    *,
    objectId: str | None = None,
    openness: float = 1.0,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    """Open to a share from 0, closed, to 1."""
    if not 0 <= openness <= 1:
        raise ActionError(f"openness must be in [0:1]; got {openness:g}")
    thing = target(agent, "OpenObject", objectId, x, y, force=forceAction)
    _turn(agent, thing, openness)


@action("CloseObject")
def close_object(
    agent: Agent,
    *,
    objectId: str | None = None,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    thing = target(agent, "CloseObject", objectId, x, y, force=forceAction)
    if opens(agent, thing) and not agent.simulator.states[thing.id].openness:
        raise ActionError(f"{thing.id} is already closed")
    _turn(agent, thing, 0.0)


def _turn(agent: Agent, thing: Thing, openness: float) -> None:
    """Open a thing; its doors do not move through the agent."""
    if not opens(agent, thing):
        raise ActionError(f"{thing.id} is not an Openable object")
    simulator, before = agent.simulator, agent.simulator.states[thing.id].openness
    here = simulator.stance.point
    touched = simulator.obstacles.touched(here)
    simulator.open(thing.id, openness)
    if touched is None and simulator.obstacles.touched(here) is not None:
        simulator.open(thing.id, before)
        raise ActionError(f"{thing.id} cannot open to {openness:g}: agent 0 is in the way")


@action("ToggleObjectOn")
def toggle_on(
    agent: Agent,
    *,
    objectId: str | None = None,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    _toggle(agent, target(agent, "ToggleObjectOn", objectId, x, y, force=forceAction), True)


@action("ToggleObjectOff")
def toggle_off(
    agent: Agent,
    *,
    objectId: str | None = None,
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    _toggle(agent, target(agent, "ToggleObjectOff", objectId, x, y, force=forceAction), False)


def _toggle(agent: Agent, thing: Thing, on: bool) -> None:
    word = "on" if on else "off"
    if "toggle" not in kind(thing).can:
        raise ActionError(f"{thing.id} is not a toggleable object")
    if agent.simulator.states[thing.id].on == on:
        raise ActionError(f"can't toggle object {word} if it's already {word}!")
    agent.simulator.switch(thing.id, on)


def _changing(
    name: str, ability: str, word: str, allowed: Callable[[ThingState], str | None], change: Callable
) -> None:
    """Register an action that changes one flag of an object that can have it.

    Arguments:
        ability: what the object's type must be able to.
        word: what it must be, in an error.
        allowed: why a state cannot be changed so, or None.
        change: writes the change into a state.
    """

    def act(
        agent: Agent,
        *,
        objectId: str | None = None,
        forceAction: bool = False,
        x: float | None = None,
        y: float | None = None,
    ) -> None:
        thing = target(agent, name, objectId, x, y, force=forceAction)
        if ability not in kind(thing).can:
            raise ActionError(f"{thing.id} is not {word}")
        state = agent.simulator.states[thing.id]
        if (reason := allowed(state)) is not None:
            raise ActionError(f"{thing.id} {reason}")
        change(state)

    action(name)(act)


def _once(flag: str) -> Callable[[ThingState], str | None]:
    return lambda state: f"is already {flag.replace('_', ' ')}" if flag in state.flags else None


def _sets(flag: str) -> Callable[[ThingState], None]:
    return lambda state: state.flags.add(flag)


for _name, _ability, _word, _flag in (
    ("SliceObject", "slice", "sliceable", "sliced"),
    ("BreakObject", "break", "breakable", "broken"),
    ("CookObject", "cook", "cookable", "cooked"),
    ("DirtyObject", "dirty", "dirtyable", "dirty"),
    ("UseUpObject", "use_up", "something that can be used up", "used_up"),
):
    _changing(_name, _ability, _word, _once(_flag), _sets(_flag))
_changing(
    "CleanObject",
    "dirty",
    "dirtyable",
    lambda state: None if "dirty" in state.flags else "is already clean",
    lambda state: state.flags.discard("dirty"),
)
_changing(
    "EmptyLiquidFromObject",
    "fill",
    "fillable",
    lambda state: None if state.liquid else "is already empty",
    lambda state: setattr(state, "liquid", None),
)


@action("FillObjectWithLiquid")
def fill(
    agent: Agent,
    *,
    objectId: str | None = None,
    fillLiquid: str = "water",
    forceAction: bool = False,
    x: float | None = None,
    y: float | None = None,
) -> None:
    if fillLiquid not in LIQUIDS:
        raise ActionError(f"Invalid fillLiquid: {fillLiquid}. Must be one of {', '.join(LIQUIDS)}")
    thing = target(agent, "FillObjectWithLiquid", objectId, x, y, force=forceAction)
    if "fill" not in kind(thing).can:
        raise ActionError(f"{thing.id} is not fillable")
    state = agent.simulator.states[thing.id]
    if state.liquid:
        raise ActionError(f"{thing.id} is already filled with {state.liquid}")
    state.liquid = fillLiquid
