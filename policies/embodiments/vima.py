"""The tabletop's actions as UIO-2's text, and back.

`0: pick from ( <X> <Y> <R> ) and place to ( <X> <Y> <R> )`, `push from … and push to …` for the spatula;
steps are joined by one space. <X> <Y> <R> are location tokens `<extra_id_{200+bin}>` of position and yaw
(uio2_training.md §7.3). Unusual: the text keeps only the yaw of a rotation, and which tool acts is told by
the verb. Yaw has one bin less than the scale: bin 999 is a full turn, so it is written as bin 0, and a yaw of
-1e-9 is 0 too.

Knows the action space's bounds; refuses to know environments, observations and prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uio2_agent import grammar
from uio2_agent.errors import UIO2Error
from uio2_agent.text.vocabulary import LOCATIONS, SENTINELS, bin_to_value, location_text, value_to_bin

SUCTION, SPATULA = 0, 1
LOW = np.array([0.25, -0.5])
"""Lower bounds of x and y, metres."""
HIGH = np.array([0.75, 0.5])
"""Upper bounds of x and y, metres."""

# Positions and quaternions are float32; what they lose stays below 1e-4 of a bin. Without this fifth of a
# thousandth of a bin, a decoded action (exactly on the lower edge of its bin) would often be written one bin
# lower.
_ROUNDING = 2e-4 / (LOCATIONS - 1)

_VERBS = {SUCTION: ("pick", "place"), SPATULA: ("push", "push")}
_TRIPLE = r"\( <extra_id_(\d+)> <extra_id_(\d+)> <extra_id_(\d+)> \)"
_STEP = re.compile(rf"(\d+): (pick|push) from {_TRIPLE} and (?:place|push) to {_TRIPLE}")
_NUMBER = re.compile(r"^\s*\d+:\s*")


@dataclass(frozen=True)
class ParsedStep:
    """One step read from an answer."""

    number: int
    """The step number as written."""
    action: dict[str, np.ndarray]
    """The environment's action: pose0/pose1 position (2,) metres and rotation (4,) xyzw, float32."""
    end_effector: int
    """0 suction (pick), 1 spatula (push)."""
    bins: tuple[int, ...]
    """x, y, yaw of pose 0, then of pose 1, each 0…999."""
    text: str
    """The step as written, number included."""


def yaw_of(rotation: float | Sequence[float] | np.ndarray) -> float:
    """Return the yaw in [0, 2π) of a float yaw or a quaternion xyzw of any length (of length 0: yaw 0).

    Raises
    ------
    UIO2Error
        Neither a number nor four numbers, or not finite.
    """
    values = np.asarray(rotation, dtype=np.float64)
    if values.size not in (1, 4) or not np.all(np.isfinite(values)):
        raise UIO2Error(f"a rotation must be a finite yaw or a quaternion x, y, z, w, got {rotation!r}")
    if values.size == 1:
        yaw = float(values.reshape(()))
    else:
        x, y, z, w = values.reshape(4) / max(float(np.abs(values).max()), 1e-300)
        yaw = math.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)
    yaw %= 2 * math.pi
    return 0.0 if yaw >= 2 * math.pi else yaw  # -1e-20 % 2π is 2π itself


def quaternion_of(yaw: float) -> np.ndarray:
    """Return the unit quaternion xyzw, float32 (4,), of a rotation by `yaw` radians about z."""
    return np.array([0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)], dtype=np.float32)


def idle_action(end_effector: int) -> dict[str, np.ndarray]:
    """Return an action that does next to nothing, for a policy that has nothing left to do.

    Suction picks and places on one far corner of the mat. A push starts 2 cm before pose 0 and stops 5 cm
    short of pose 1 (vima_bench.md §4), so poses 3 cm apart make a stroke of no length.
    """
    _verbs(end_effector)
    end = LOW + ((0.0, 0.03) if end_effector == SPATULA else (0.0, 0.0))
    return {
        "pose0_position": LOW.astype(np.float32),
        "pose0_rotation": quaternion_of(0.0),
        "pose1_position": end.astype(np.float32),
        "pose1_rotation": quaternion_of(0.0),
    }


def locations_text(values: Sequence[float] | np.ndarray) -> str:
    """Write values, clipped to [0, 1], as location tokens joined by single spaces: bin floor(999 · value)."""
    return " ".join(location_text(int(b)) for b in value_to_bin(np.asarray(values) + _ROUNDING))


def numbered(step: str, number: int) -> str:
    """Return a step's text with this number, whatever number it carried, if any."""
    return f"{number}: {_NUMBER.sub('', step).strip()}"


class VimaActionCodec:
    """Tabletop actions ⇄ action text.

    Parameters
    ----------
    released
        Read a bin as bin/1000, as the released UIO-2 code does from text, instead of bin/999 (which makes the
        round trip exact to one bin). Writing is the same in both modes. Rotations are radians in both: the
        released code hands degrees on, and no environment should see that.
    """

    def __init__(self, released: bool = False) -> None:
        self.released = released
        self._grammars: dict[tuple, grammar.Grammar] = {}

    def encode(self, action: Mapping, end_effector: int, number: int | None = None) -> str:
        """Write one action as a step, with its number or (None) without.

        Positions outside the workspace are clipped to it; rotations are reduced to their yaw.

        Raises
        ------
        UIO2Error
            A key is missing, a number is not finite, or the end effector is neither 0 nor 1.
        """
        first, second = _verbs(end_effector)
        text = f"{first} from {self._pose(action, 0)} and {second} to {self._pose(action, 1)}"
        return text if number is None else f"{number}: {text}"

    def encode_plan(self, actions: Sequence[Mapping], end_effector: int, first: int = 0) -> str:
        """Write actions as steps numbered from `first`, joined by one space."""
        return " ".join(self.encode(action, end_effector, first + i) for i, action in enumerate(actions))

    def parse(self, text: str) -> list[ParsedStep]:
        """Read every complete step in `text`, in order of appearance; what is no step is passed over.

        Separators between steps and step numbers are free; inside a step every word stands between single
        spaces.
        """
        steps = []
        for match in _STEP.finditer(text):
            bins = tuple(int(group) - SENTINELS for group in match.groups()[2:])
            if all(0 <= b < LOCATIONS for b in bins):
                ee = SUCTION if match[2] == "pick" else SPATULA
                steps.append(ParsedStep(int(match[1]), self.decode(bins), ee, bins, match[0]))
        return steps

    def decode(self, bins: Sequence[int]) -> dict[str, np.ndarray]:
        """Turn the six bins of a step into the environment's action."""
        values = bin_to_value(np.asarray(bins), self.released)
        action = {}
        for pose in (0, 1):
            x, y, turn = values[3 * pose : 3 * pose + 3]
            action[f"pose{pose}_position"] = (LOW + (x, y) * (HIGH - LOW)).astype(np.float32)
            action[f"pose{pose}_rotation"] = quaternion_of(2 * math.pi * turn)
        return action

    def grammar(self, tokenizer, end_effector: int, first: int = 0, max_steps: int = 1) -> grammar.Grammar:
        """The grammar of a plan: 1 to `max_steps` steps numbered from `first`, then the end token.

        With `max_steps=1` everything after the sixth location token is forced: a step costs six open
        positions. Grammars are kept, because every decision at the same step number uses the same one.

        Raises
        ------
        UIO2Error
            The tokenizer does not split the action text at its words.
        """
        key = (tokenizer, end_effector, first, max_steps)
        if key not in self._grammars:
            vocabulary = tokenizer.vocabulary
            spot = grammar.location(vocabulary)
            steps = [self._step_grammar(tokenizer, spot, end_effector, first + i) for i in range(max_steps)]
            self._grammars[key] = grammar.Grammar(grammar.repeat(steps, at_least=1), vocabulary.eos)
        return self._grammars[key]

    def _step_grammar(
        self, tokenizer, spot: grammar.Element, end_effector: int, number: int
    ) -> grammar.Element:
        first, second = _verbs(end_effector)
        before, between, after = f"{number}: {first} from (", f") and {second} to (", ")"
        triple = locations_text([0.0, 0.5, 1.0])
        grammar.check_literals(tokenizer, [before, triple, between, triple, after, before, triple])
        literals = [grammar.literal(tokenizer, text) for text in (before, between, after)]
        return grammar.sequence(literals[0], spot, spot, spot, literals[1], spot, spot, spot, literals[2])

    def _pose(self, action: Mapping, pose: int) -> str:
        try:
            position, rotation = action[f"pose{pose}_position"], action[f"pose{pose}_rotation"]
        except KeyError as error:
            raise UIO2Error(f"the action has no {error}; it has {sorted(action)}") from None
        xy = np.asarray(position, dtype=np.float64).reshape(-1)
        if xy.shape != (2,) or not np.all(np.isfinite(xy)):
            raise UIO2Error(f"pose{pose}_position must be x and y in metres, got {position!r}")
        turn = yaw_of(rotation) / (2 * math.pi)
        if turn >= 1 - _ROUNDING:
            turn = 0.0
        return f"( {locations_text([*(xy - LOW) / (HIGH - LOW), turn])} )"


def _verbs(end_effector: int) -> tuple[str, str]:
    try:
        return _VERBS[int(end_effector)]
    except KeyError:
        raise UIO2Error(f"end effector {end_effector!r} is unknown: 0 is suction, 1 is spatula") from None
