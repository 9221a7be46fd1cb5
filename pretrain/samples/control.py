"""Episodes of robots that only numbers describe: the next action as tokens, the next frame, the goal, the
instruction, a verdict.

An action is written in the ranges of its data set (`uio2_agent.labels.controls`), and the request says what
its numbers are. Earlier frames come with the action done at each, `<image_history_j> ( … )`; several cameras
are stacked. Source: Unified-IO 2 (arXiv 2312.17172), appendix on embodied tasks; order, ranges and history
length are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from policies.questions import VERDICTS
from pretrain.samples.context import (
    Context,
    UnusableRecord,
    clean,
    frame_markers,
    history_marker,
    joined,
    pick,
)
from pretrain.samples.sample import Sample
from pretrain.sources.records import TrajectoryRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class ControlOptions:
    """Weights of the questions; of those that an episode can answer, one is drawn."""

    action: Rate = 1.0
    next_view: Rate = 1.0
    goal_view: Rate = 1.0
    """Of episodes that did not fail."""
    caption: Rate = 1.0
    judge: Rate = 1.0
    """Whether an action is right; half of them are another step's of the episode."""
    most_history: Annotated[int, Range(0, 8)] = 4
    """Most earlier frames with their actions."""
    stride: Annotated[int, Range(1, 100)] = 1
    """Steps between the frames."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: TrajectoryRecord, rng: np.random.Generator, options: ControlOptions, context: Context
) -> Sample:
    """Draw a question and a step, and ask."""
    length = len(record.actions)
    instruction = clean(record.instruction)
    pictures = "image" in context.config.target_modalities and length > 1
    question = pick(
        {
            "action": options.action * (length > 0),
            "next_view": options.next_view * pictures,
            "goal_view": options.goal_view * (pictures and bool(instruction) and record.success is not False),
            "caption": options.caption * (length > 0 and bool(instruction)),
            "judge": options.judge * (length > 1),
        },
        rng,
    )
    return _ASKED[question](record, instruction, rng, options, context)


def _action(
    record: TrajectoryRecord,
    instruction: str,
    rng: np.random.Generator,
    options: ControlOptions,
    context: Context,
) -> Sample:
    step = int(rng.integers(len(record.actions)))
    count = min(options.most_history, context.config.history_frames)
    earlier = [step - options.stride * ago for ago in range(count, 0, -1) if step >= options.stride * ago]
    told = joined(
        *(
            f"{history_marker(number)} {record.controls.write(record.actions[past])}"
            for number, past in enumerate(earlier, 1)
        )
    )
    history = context.prompts.draw("control_history", rng, steps=told) if told else ""
    text = context.prompts.draw(
        "control", rng, instruction=instruction, actions=record.controls.description, history=history
    )
    request = Request(
        " ".join(text.split()), _view(record, step), tuple(_view(record, past) for past in earlier)
    )
    return Sample(request, Target(text=record.controls.write(record.actions[step])))


def _next_view(
    record: TrajectoryRecord,
    instruction: str,
    rng: np.random.Generator,
    options: ControlOptions,
    context: Context,
) -> Sample:
    step = int(rng.integers(len(record.actions) - 1))
    action = record.controls.write(record.actions[step])
    text = context.prompts.draw("control_next_view", rng, actions=record.controls.description, action=action)
    return Sample(Request(text, _view(record, step)), Target(image=_view(record, step + 1)))


def _goal_view(
    record: TrajectoryRecord,
    instruction: str,
    rng: np.random.Generator,
    options: ControlOptions,
    context: Context,
) -> Sample:
    text = context.prompts.draw("control_goal_view", rng, instruction=instruction)
    return Sample(Request(text, _view(record, 0)), Target(image=_view(record, len(record.actions) - 1)))


def _caption(
    record: TrajectoryRecord,
    instruction: str,
    rng: np.random.Generator,
    options: ControlOptions,
    context: Context,
) -> Sample:
    length = len(record.actions)
    count = min(length, context.config.history_frames + 1)
    steps = np.unique(np.linspace(0, length - 1, count).astype(int))
    views = [_view(record, int(step)) for step in steps]
    text = context.prompts.draw("control_caption", rng, views=joined(*frame_markers(len(views))))
    return Sample(Request(text, views[-1], tuple(views[:-1])), Target(text=instruction))


def _judge(
    record: TrajectoryRecord,
    instruction: str,
    rng: np.random.Generator,
    options: ControlOptions,
    context: Context,
) -> Sample:
    step = int(rng.integers(len(record.actions)))
    right = rng.random() < 0.5
    action = taken = record.controls.write(record.actions[step])
    if not right:
        others = {record.controls.write(each) for each in record.actions} - {taken}
        if not others:
            raise UnusableRecord("all actions of the episode are alike: none of them is wrong")
        action = sorted(others)[int(rng.integers(len(others)))]
    text = context.prompts.draw(
        "control_judge", rng, instruction=instruction, actions=record.controls.description, action=action
    )
    request = Request(" ".join(text.split()), _view(record, step))
    return Sample(request, Target(text=VERDICTS[right]))


_ASKED = {
    "action": _action,
    "next_view": _next_view,
    "goal_view": _goal_view,
    "caption": _caption,
    "judge": _judge,
}


def _view(record: TrajectoryRecord, step: int) -> np.ndarray:
    """What the cameras saw before a step: those as wide as the first one, stacked."""
    pictures = [frames[step] for frames in record.frames.values()]
    return np.concatenate([each for each in pictures if each.shape[1] == pictures[0].shape[1]])
