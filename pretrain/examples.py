"""Stored episodes to examples: which step, which question, which answer. Requests come from the embodiments,
where acting takes them from too.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from policies import embodiments
from policies.action_text import numbered
from policies.embodiments.base import Embodiment
from policies.moment import Moment
from policies.prompts import (
    boxes_request,
    boxes_target,
    described_prompt,
    scene,
    sizes_of,
)
from policies.questions import (
    VERDICTS,
    caption_request,
    goal_view_request,
    judge_request,
    next_state_request,
    next_view_request,
)
from policies.style import PromptStyle
from pretrain.moments import learned_steps, moment
from pretrain.recasting import Recast, as_motion, as_rearrangement
from pretrain.recolouring import AS_STORED, Channels, draw_channels, nameable, recoloured
from pretrain.sources import StoredEpisode
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.code_targets import image_target
from uio2_agent.request import Request, Target

_SHOWN_GOALS = 0.3
"""Share of the plans that are asked for with the goal, of styles that show it and episodes that reached one;
the others teach to do without, which is harder: a goal tells all."""
Styles = Mapping[str, PromptStyle]
"""How requests look, by embodiment; all cameras named."""


@dataclass(frozen=True)
class Example:
    """A question, its answer, and the moment it is about."""

    request: Request
    target: str | Target
    moment: Moment
    body: Embodiment
    style: PromptStyle
    channels: Channels = AS_STORED
    """In which order the request's pictures show the channels of the moment's."""


@dataclass(frozen=True, kw_only=True)
class ExampleOptions:
    """What is asked of a moment."""

    boxes_share: float = 0.1
    """Share of batches that ask for the boxes of all objects, where there are any; the others ask for the
    plan. Answers of one kind are of like length, so that little is padded."""
    state_share: float = 0.0
    """Share of batches that ask where the body is after an action, of bodies that have words for it."""
    view_share: float = 0.0
    """Share of batches that ask for the view after an action, a picture."""
    caption_share: float = 0.0
    """Share of batches that ask what an episode was for."""
    goal_share: float = 0.0
    """Share of batches that ask how it looks when the task is done, a picture, of episodes that succeeded."""
    judge_share: float = 0.0
    """Share of batches that ask whether an action is right; half of them are drawn to be wrong."""
    recast_share: float = 0.0
    """Share of the plans that are asked for as another task, where the episode is one: a rearrangement to how
    it ended, or a thing's way to be followed."""
    recolour_share: float = 0.0
    """Share of the plans and goals that are asked for in other colours, where their words allow it."""
    plain_share: float = 1.0
    """Share of the plain tokens of pictures to be drawn that are learned."""
    still_share: float = 1.0
    """The same of those that are not plain and show what was there before."""
    augment: bool = True
    """Draw symmetries of the embodiment at random."""
    seed: int = 0


def make_example(
    record: StoredEpisode,
    kind: str,
    styles: Styles,
    options: ExampleOptions,
    rng: np.random.Generator,
) -> Example:
    """Draw a step of the episode and symmetries of its body, and ask a question of a kind
    (`pretrain.settings.QUESTIONS`), or for the plan where this episode cannot answer it.
    """
    body = embodiments.get(record.embodiment)
    style = styles[body.name]
    flags = (rng.random(len(body.symmetries)) < 0.5) & options.augment
    if kind == "caption":
        return caption_example(record, body, style, rng)
    if kind == "view":
        return next_view_example(record, int(rng.integers(record.length)), body, style, rng)
    if kind == "state" and record.length > 1 and body.state_text(record.states[0]):
        return next_state_example(record, int(rng.integers(record.length - 1)), body, style, rng)
    if kind == "goal" and record.success:
        return _in_other_colours(goal_view_example(record, body, style, rng), record, options, rng)
    steps = learned_steps(record)
    step = steps[int(rng.integers(len(steps)))]
    if kind == "judge":
        return judge_example(record, step, body, style, rng)
    cameras, other, goal = cameras_of(style), None, None
    if options.recast_share and rng.random() < options.recast_share:
        other = _recast(record, step, cameras, body, rng)
    if other is None and style.goal and rng.random() < _SHOWN_GOALS:  # a way may end before the episode does
        goal = goal_picture(record, body, style)
    now = moment(record, step, cameras, flags, style.told_views, goal, other)
    if kind == "boxes" and (target := boxes_target(body, now.objects or (), style, sizes_of(now.views))):
        return Example(boxes_request(body, now, style, rng), target, now, body, style)
    return _in_other_colours(plan_example(now, body, style, rng), record, options, rng)


def _recast(
    record: StoredEpisode, step: int, cameras: Sequence[str], body: Embodiment, rng: np.random.Generator
) -> Recast | None:
    """One of the other tasks that a step of an episode is a step of; None where there is none."""
    ways = (as_rearrangement(record, step, cameras, body), as_motion(record, step, cameras, body, rng))
    possible = [way for way in ways if way is not None]
    return possible[int(rng.integers(len(possible)))] if possible else None


def _in_other_colours(
    example: Example, record: StoredEpisode, options: ExampleOptions, rng: np.random.Generator
) -> Example:
    """The example as it is, or, in `recolour_share` of the draws, in other colours if its words allow it."""
    if not options.recolour_share or rng.random() >= options.recolour_share:
        return example
    if not nameable(example.request.text, {thing["texture"] for thing in record.objects[0]}):
        return example
    channels = draw_channels(rng)
    request, target = recoloured(example.request, example.target, channels)
    return dataclasses.replace(example, request=request, target=target, channels=channels)


def next_state_example(
    record: StoredEpisode,
    step: int,
    body: Embodiment,
    style: PromptStyle,
    rng: np.random.Generator | None = None,
    past: int = 0,
) -> Example:
    """Ask where the body is after the action taken at a step that is not the last, and tell it with what was
    seen the `past` steps that led there.
    """
    now = _unlabelled(moment(record, step, cameras_of(style), past=past))
    request = next_state_request(body, now, record.action_texts[step], style, rng)
    return Example(request, body.state_text(record.states[step + 1]), now, body, style)


def next_view_example(
    record: StoredEpisode,
    step: int,
    body: Embodiment,
    style: PromptStyle,
    rng: np.random.Generator | None = None,
    past: int = 0,
) -> Example:
    """Ask for the view after the action taken at a step: a picture, the style's views stacked; `past` as in
    `next_state_example`.
    """
    cameras = cameras_of(style)
    now = _unlabelled(moment(record, step, cameras, past=past))
    request = next_view_request(body, now, record.action_texts[step], style, rng)
    after = record.final if step + 1 == record.length else None
    views = {camera: after[camera] if after else record.frames[camera][step + 1] for camera in cameras}
    target = Target(image=scene(body, views, style.fitted(body.cameras).drawn))
    return Example(request, target, now, body, style)


def _unlabelled(now: Moment) -> Moment:
    """A moment of which nothing is asked patch by patch."""
    return dataclasses.replace(now, prompt="", prompt_assets={}, objects=None, first_objects=None)


def caption_example(
    record: StoredEpisode, body: Embodiment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Example:
    """Ask what an episode was for, from views spread over it, the last one after its last action."""
    cameras = cameras_of(style)
    count = min(style.max_history, record.length)
    steps = np.linspace(0, record.length - 1, count).astype(int) if count else []
    seen = [{camera: record.frames[camera][int(step)] for camera in cameras} for step in steps]
    seen.append({camera: record.final[camera] for camera in cameras})
    now = dataclasses.replace(_unlabelled(moment(record, 0, cameras)), views=seen[-1])
    target = described_prompt(record.prompt, record.prompt_assets)
    return Example(caption_request(body, seen, style, rng), target, now, body, style)


def goal_picture(record: StoredEpisode, body: Embodiment, style: PromptStyle) -> np.ndarray | None:
    """Return how an episode that succeeded looked at its end, as its body's requests show it."""
    return scene(body, record.final, style.fitted(body.cameras).drawn) if record.success else None


def goal_view_example(
    record: StoredEpisode, body: Embodiment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Example:
    """Ask for the view after the last action, from the first one and the instruction. What patches are
    labelled with is what the plan's request has there: who draws the end has to know what is to be done.
    """
    now = moment(record, 0, cameras_of(style))
    target = Target(image=scene(body, record.final, style.fitted(body.cameras).drawn))
    request = goal_view_request(body, now, style, rng)
    return Example(request, target, dataclasses.replace(now, goal_objects=record.final_objects), body, style)


def pictures_before(examples: Sequence[Example], config: UnifiedIO2Config) -> Tensor:
    """Return what examples that ask for pictures show of them already, float32 [B, H, W, 3] in [-1, 1], laid
    out as their targets are.
    """
    seen = []
    for example in examples:
        body = example.body
        picture = scene(body, example.moment.views, example.style.fitted(body.cameras).drawn)
        seen.append(Target(image=picture[..., list(example.channels)]))
    requests = [example.request for example in examples]
    return image_target(requests, seen, config, [None] * len(seen)).values


def judge_example(
    record: StoredEpisode, step: int, body: Embodiment, style: PromptStyle, rng: np.random.Generator
) -> Example:
    """Ask whether an action is the right one at a step: the one that is learned there, or, in half the draws,
    one drawn from what the body can do that is none of those to come.
    """
    now = moment(record, step, cameras_of(style), past=style.told_views)
    taken = [numbered(text, step) if body.numbers_steps else text for text in now.remaining[: body.horizon]]
    right = rng.random() < 0.5
    action = taken[0] if right else _other_action(taken, now.state, step, body, rng)
    request = judge_request(body, now, action, style, rng)
    return Example(request, VERDICTS[right], _unlabelled(now), body, style)


def _other_action(
    taken: Sequence[str], state: np.ndarray, step: int, body: Embodiment, rng: np.random.Generator
) -> str:
    while (text := body.action_text(body.random_action(state, rng), state, step)) in taken:
        pass
    return text


def plan_example(
    now: Moment, body: Embodiment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Example:
    """Ask for what remains of the plan, as far as the body plans ahead, as a re-planning policy does. Where
    the style asks for the state too and nobody knows it, for the action alone.
    """
    first = len(now.executed)
    steps = now.remaining[: body.horizon]
    if body.numbers_steps:
        steps = [numbered(text, first + index) for index, text in enumerate(steps)]
    target = " ".join(steps)
    if style.answer == "state_action":
        if now.next_state is None:
            style = dataclasses.replace(style, answer="action")
        else:
            target = f"{body.state_text(now.next_state)} {target}"
    return Example(body.request(now, style, rng), target, now, body, style)


def cameras_of(style: PromptStyle) -> list[str]:
    """Return the cameras that requests of a style show."""
    return sorted({*style.views, *style.object_views, *style.drawn.views})
