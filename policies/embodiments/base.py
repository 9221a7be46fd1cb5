"""What a body is to the model: its actions as text, its requests, its records, its symmetries, its drawings.

Everything that differs between bodies stands in one subclass of `Embodiment`, one file each; policies, the
training and the datasets ask it and name none. A body is found by name (`policies.embodiments.get`), which
environments put into `info["embodiment"]` and datasets store. Unusual: the facts that an action text depends
on (the tool at hand, a pose) are the *state* vector that datasets keep, so acting and training hand over the
same thing.

Refuses to know environments: it takes what they returned (arrays, strings, mappings) and imports none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from policies.action_text import StepForm, numbered, read_steps
from policies.moment import Moment
from policies.prompts import plan_request, wordings
from policies.style import PromptStyle
from uio2_agent import grammar
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Request
from uio2_agent.text.vocabulary import bin_to_value

NO_ROLE = -100
"""Role of an object of which nothing is known; what losses ignore."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a dataset keeps of a body: the source of the set's features. Plain data."""

    embodiment: str
    cameras: Mapping[str, tuple[int, int]]
    """Camera to (height, width) of its pictures, in order."""
    state: tuple[str, ...]
    """Names of the columns of `observation.state`."""
    action: tuple[str, ...]
    """Names of the columns of `action`."""
    fps: int = 1
    """Steps a second; 1 where a step is a whole motion and has no rate."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        cameras = {name: list(size) for name, size in self.cameras.items()}
        return {**vars(self), "cameras": cameras, "state": list(self.state), "action": list(self.action)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """Inverse of `to_dict`."""
        cameras = {name: (int(height), int(width)) for name, (height, width) in values["cameras"].items()}
        names = {key: tuple(values[key]) for key in ("state", "action")}
        return cls(embodiment=values["embodiment"], cameras=cameras, fps=int(values["fps"]), **names)


@dataclass(frozen=True)
class ParsedStep:
    """One step read from an answer."""

    number: int
    """The step number as written."""
    kind: Hashable
    """Which form it has."""
    action: Any
    """What the environment takes."""
    bins: tuple[int, ...]
    """Its location bins, each 0…999."""
    text: str
    """The step as written, number included."""
    after: tuple[int, ...] = ()
    """Location bins of where it takes the body, of an answer that says so (`PromptStyle.answer`)."""


@dataclass(frozen=True)
class Track:
    """The way of a body over the floor, in metres from where it began, as it looked then."""

    points: np.ndarray
    """(N, 2): to the right, ahead."""
    headings: np.ndarray
    """(N,): radians clockwise from ahead."""
    held_up: np.ndarray
    """bool (N - 1,): whether something was in the way of the action after each point."""


@dataclass(frozen=True)
class Key:
    """An action that a key carries out at once."""

    names: Sequence[str]
    """The keys that do, as browsers call them (`KeyboardEvent.key`; letters small)."""
    words: str
    """What they do, in words for the person."""
    action: Any
    """What the environment takes."""


@dataclass(frozen=True)
class Controls:
    """How a person acts with this body on a page: by points clicked in a camera's picture, and a turn, or by
    keys.
    """

    camera: str
    """The picture that is clicked, or what is looked at."""
    points: Sequence[str] = ()
    """What to click, in order, in words for the person."""
    turn: bool = False
    """Whether what was clicked first is turned by an angle on its way."""
    keys: Sequence[Key] = ()
    """Where there are any, an action is one of them, and nothing is clicked."""


class Embodiment(ABC):
    """A body. Subclasses set the class variables and say how actions become numbers and back."""

    name: ClassVar[str]
    """What `info["embodiment"]` and datasets call it."""
    cameras: ClassVar[tuple[str, ...]]
    """Its cameras, in the order their pictures are stacked."""
    state_names: ClassVar[tuple[str, ...]] = ()
    action_names: ClassVar[tuple[str, ...]]
    fps: ClassVar[int] = 1
    forms: ClassVar[Mapping[Hashable, StepForm]]
    """Kinds of steps to how they are written."""
    place_form: ClassVar[StepForm | None] = None
    """How `state_text` is written, of a body that can be asked where an action takes it."""
    horizon: ClassVar[int | None] = None
    """Most steps of a plan that is learned; None for all that remain."""
    temperature: ClassVar[float] = 0.0
    """At which a model's steps are drawn where nobody says otherwise; 0 takes the likeliest."""
    numbers_steps: ClassVar[bool] = True
    """Whether steps are written with their number."""
    rearrangement: ClassVar[str] = ""
    """The instruction to make things lie as in the picture `{scene}`, of a body that can."""
    motion: ClassVar[str] = ""
    """The instruction to move `{dragged_obj}` as the pictures `{frames}` show, of a body that can."""
    symmetries: ClassVar[tuple[str, ...]] = ()
    """Names of the independent changes under which a stored moment stays a possible one."""

    # what environments return

    def views(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return the picture of each camera there is, uint8 (H, W, 3), from `observation["rgb"]` by camera,
        (3, H, W).
        """
        rgb = observation["rgb"]
        return {camera: np.moveaxis(rgb[camera], 0, -1) for camera in self.cameras if camera in rgb}

    def state(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
        """Return the state, float32 (columns,), in the order of `state_names`."""
        return np.zeros(len(self.state_names), np.float32)

    def observed(
        self, views: Mapping[str, np.ndarray], state: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an observation, and what of info the body reads, whose `views` and `state` are these: the
        inverse of both, for pictures and states that come from elsewhere.

        Raises:
            UIO2Error: This body does not say.
        """
        raise UIO2Error(f"embodiment {self.name!r} does not say how pictures and a state are observed")

    def objects(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects of the scene, plain JSON values: at least `name`, `texture`, `position` (metres)
        and `boxes` (by camera [first row, first column, last row, last column], or None). Empty where the
        environment tells of none.
        """
        return []

    def record(self, observation: Mapping[str, Any]) -> Record:
        """Return what a dataset of such observations keeps."""
        sizes = {camera: view.shape[:2] for camera, view in self.views(observation).items()}
        return Record(
            embodiment=self.name,
            cameras=sizes,
            state=tuple(self.state_names),
            action=tuple(self.action_names),
            fps=self.fps,
        )

    # actions

    @abstractmethod
    def checked(self, action: Any) -> Any:
        """Return an action as it is executed and stored (floats float32); UIO2Error when it is impossible."""

    @abstractmethod
    def vector(self, action: Any) -> np.ndarray:
        """Flatten a checked action to float32 (columns of `action_names`,)."""

    @abstractmethod
    def action(self, vector: np.ndarray) -> Any:
        """Return the action of a vector: exactly the numbers the environment was given."""

    def possible(self, vector: np.ndarray) -> np.ndarray:
        """Return the vector nearest to finite numbers that is an action, for policies which know no bounds.
        What the environment bounds by itself may stay.
        """
        return vector

    @abstractmethod
    def idle_action(self, state: np.ndarray) -> Any:
        """Return an action that does next to nothing, for a policy that has nothing left to do."""

    @abstractmethod
    def random_action(self, state: np.ndarray, rng: np.random.Generator) -> Any:
        """Draw an action uniformly from what the body can do."""

    # action text

    @abstractmethod
    def values(self, action: Any, state: np.ndarray) -> tuple[Hashable, Sequence[float]]:
        """Return an action's kind of step and its numbers, 0…1, in the order they are written."""

    @abstractmethod
    def from_values(self, kind: Hashable, values: np.ndarray) -> Any:
        """Return the action of a step's kind and numbers."""

    def kinds(self, state: np.ndarray) -> Sequence[Hashable]:
        """Return the kinds of steps that can be taken in this state; all by default."""
        return tuple(self.forms)

    def action_text(self, action: Any, state: np.ndarray, number: int | None = None) -> str:
        """Write an action as a step, with its number or (None) without.

        Raises:
            UIO2Error: The action is impossible.
        """
        kind, values = self.values(action, state)
        return self.forms[kind].write(values, number if self.numbers_steps else None)

    def told(self, step: str | None, number: int, state: np.ndarray | None) -> str:
        """Return how a request tells a step that was done in a state, None where that is not known; of a
        step None only the state is told.
        """
        place = "" if state is None else self.state_text(state)
        if step is None:
            return place
        return f"{place} {numbered(step, number) if self.numbers_steps else step}".strip()

    def parse(self, text: str, released: bool = False) -> list[ParsedStep]:
        """Read every whole step in a text, in order of appearance; what is no step is passed over.

        `released` reads a bin as bin/1000, as the released UIO-2 code does, instead of bin/999 (which makes
        the round trip exact to one bin). Where the body is, written right before a step, is read with it.
        """
        places = [] if self.place_form is None else self.place_form.find(text, with_number=False)
        after = {place.start + len(place.text) + 1: place.bins for place in places}
        return [
            ParsedStep(
                step.number,
                step.kind,
                self.from_values(step.kind, bin_to_value(np.asarray(step.bins), released)),
                step.bins,
                step.text,
                after.get(step.start, ()),
            )
            for step in read_steps(self.forms, text, self.numbers_steps)
        ]

    def grammar(
        self, tokenizer: Any, state: np.ndarray, first: int = 0, max_steps: int = 1, answer: str = "action"
    ) -> Any:
        """The grammar of a plan: 1 to `max_steps` steps numbered from `first`, then the end token. `answer`
        as in `PromptStyle`.
        """
        kinds = self.kinds(state)
        steps = [
            grammar.choice(*(self.forms[kind].grammar(tokenizer, number) for kind in kinds))
            if len(kinds) > 1
            else self.forms[kinds[0]].grammar(tokenizer, number)
            for number in (first + i if self.numbers_steps else None for i in range(max_steps))
        ]
        if answer == "state_action":
            place = self.place_form.grammar(tokenizer, None)
            steps = [grammar.sequence(place, step) for step in steps]
        return grammar.Grammar(grammar.repeat(steps, at_least=1), tokenizer.vocabulary.eos)

    # requests

    def style(self, small: bool = False) -> PromptStyle:
        """Return how requests look for a model of the released sizes, or for a small one."""
        return PromptStyle(wording="short" if small else "paper")

    def words(self, state: np.ndarray, style: PromptStyle) -> dict[str, str]:
        """Return what the wordings say of this body beside the instruction, by slot."""
        return {}

    def state_text(self, state: np.ndarray) -> str:
        """Return a state as text to be told and answered with; empty for a body that has no words for it."""
        return ""

    def wordings(self, style: PromptStyle) -> Mapping[str, Any]:
        """Return the wordings of a style (`templates.yaml`), by question: the body's own, or those for any
        body.

        Raises:
            UIO2Error: There are none under the style's key, or answers should say where this body is, which
                has no words for that.
        """
        if style.answer == "state_action" and self.place_form is None:
            raise UIO2Error(
                f"prompt style: answer='state_action' asks where an action takes the body, and {self.name!r} "
                "has no words for that: use answer='action'"
            )
        return wordings(self.name, style.wording)

    def region(self, camera: str, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of a camera's picture that show what matters; all by default."""
        return slice(0, height), slice(0, width)

    def request(self, moment: Moment, style: PromptStyle, rng: np.random.Generator | None = None) -> Request:
        """Ask for the plan, or for what remains of it; `rng` draws one of the wordings, None takes the first.

        Raises:
            UIO2Error: A placeholder has no asset, an asset no picture, or there are more pictures than
                markers.
        """
        return plan_request(self, moment, style, rng)

    # the way

    def track(self, states: Sequence[np.ndarray], actions: Sequence[Any]) -> Track | None:
        """Return the way through N states, between which N - 1 checked actions were taken; None for a body
        that stays where it is.
        """
        return None

    # symmetries, labels

    def changed(self, moment: Moment, flags: Sequence[bool], cameras: Sequence[str]) -> Moment:
        """Return the moment as it would have been under the symmetries flagged, where the task and the
        `cameras` looked at allow them.
        """
        return moment

    def object_bins(self, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return where objects are in the numbers actions are written in: int64 bins [objects, 2]."""
        return np.zeros((len(objects), 2), np.int64)

    def seen_bins(
        self, camera: str, boxes: Sequence[Sequence[int] | None], size: tuple[int, int]
    ) -> np.ndarray:
        """Say where things are whose boxes a camera's picture of (height, width) `size` shows, in the numbers
        actions are written in: int64 bins [boxes, 2], -100 for no box or where the picture does not tell.
        """
        return np.full((len(boxes), 2), NO_ROLE)

    def roles(self, moment: Moment) -> np.ndarray:
        """Say what the next step does to each object: int64 [objects], 1 takes it, 2 brings something to it,
        0 neither, -100 nothing is known.
        """
        return np.full(len(moment.objects or ()), NO_ROLE)

    def postures(self, objects: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Say how objects stand: int64 bins [objects, 3], cosine and sine of the yaw, both from -1 to 1, and
        the height, in a unit of the body's; -100 where that is not known.
        """
        return np.full((len(objects), 3), NO_ROLE)

    def moves(self, moment: Moment) -> np.ndarray:
        """Say where the next step takes what it takes: int64 bins [objects, 4], the place in the numbers
        actions are written in, then cosine and sine of the turn; -100 for all else.
        """
        return np.full((len(moment.objects or ()), 4), NO_ROLE)

    def contrasts(self, moment: Moment) -> tuple[int, np.ndarray]:
        """Say what the words ask of a thing beside another like it, and what each thing is: a class from 1 to
        4, and one for each object, int64 [objects], 0 for one beside none; -100 everywhere where the words
        compare nothing.
        """
        return NO_ROLE, np.full(len(moment.objects or ()), NO_ROLE)

    def turns(self, moment: Moment, pictures: int) -> np.ndarray:
        """Say how the first `pictures` pictures of the prompt show a thing turned since the one before: int64
        bins [pictures, 2], cosine and sine of the turn; -100 where they show no such thing.
        """
        return np.full((pictures, 2), NO_ROLE)

    # for people

    @abstractmethod
    def describe(self, action: Any, state: np.ndarray) -> str:
        """Return an action in a line a person reads."""

    def readout(self, state: np.ndarray) -> str:
        """Return what a person who acts must know beside the pictures; "" where they show it all."""
        return ""

    def draw(  # noqa: B027 - a body may have nothing to draw
        self, pen: Any, camera: str, size: tuple[int, int], action: Any, state: np.ndarray
    ) -> None:
        """Draw an action over a camera's picture: `pen` is a PIL ImageDraw on (height, width) = `size`
        pixels, however large the camera's own are. Nothing by default.
        """

    def controls(self, state: np.ndarray) -> Controls:
        """Return how a person acts in this state; UIO2Error for a body that no person can drive."""
        raise UIO2Error(f"embodiment {self.name!r} has no controls for a person")

    def clicked(self, points: Sequence[tuple[float, float]], turn: float, state: np.ndarray) -> Any:
        """Return the action of the clicks that `controls` asks for: each (across, down) in 0…1 of the
        picture, and degrees clockwise.
        """
        raise UIO2Error(f"embodiment {self.name!r} cannot be driven by clicks")
