"""Episodes of our own bodies: the next action, what it leads to, the goal, the instruction, a verdict.

What is asked, and in which words, is the bodies' own (`policies`), as when they act; here it is drawn which
step and which question. A body that can tell where an action takes it is asked for that too in a share of the
samples, as in the paper's PointNav data. Source: Unified-IO 2 (arXiv 2312.17172), sections 3.3, 5 and
appendix.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from policies import embodiments
from policies.embodiments.base import Embodiment
from policies.style import PromptStyle
from pretrain.examples import (
    Example,
    cameras_of,
    caption_example,
    goal_view_example,
    judge_example,
    next_state_example,
    next_view_example,
    plan_example,
)
from pretrain.moments import learned_steps, moment
from pretrain.samples.context import Context, pick
from pretrain.samples.sample import Sample
from pretrain.sources.episode import StoredEpisode
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class TrajectoryOptions:
    """Weights of the questions; of those that an episode can answer, one is drawn."""

    action: Rate = 1.0
    next_view: Rate = 1.0
    next_state: Rate = 1.0
    """Of bodies that have words for their state."""
    goal_view: Rate = 1.0
    """Of episodes that succeeded."""
    caption: Rate = 1.0
    judge: Rate = 1.0
    """Whether an action is right; half of them are drawn to be wrong."""
    state_too: Rate = 0.5
    """Share of the questions for an action that ask where it takes the body too, of bodies that can tell."""
    augment: bool = True
    """Draw symmetries of the body at random."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: StoredEpisode, rng: np.random.Generator, options: TrajectoryOptions, context: Context
) -> Sample:
    """Draw a question and a step, and ask."""
    body = embodiments.get(record.embodiment)
    style = (context.styles.get(body.name) or body.style()).fitted(body.cameras)
    pictures = "image" in context.config.target_modalities
    question = pick(
        {
            "action": options.action,
            "next_view": options.next_view * pictures,
            "next_state": options.next_state * (record.length > 1 and body.place_form is not None),
            "goal_view": options.goal_view * (pictures and bool(record.success)),
            "caption": options.caption,
            "judge": options.judge,
        },
        rng,
    )
    example = _example(record, question, body, style, rng, options)
    target = Target(text=example.target) if isinstance(example.target, str) else example.target
    return Sample(example.request, target)


def _example(
    record: StoredEpisode,
    question: str,
    body: Embodiment,
    style: PromptStyle,
    rng: np.random.Generator,
    options: TrajectoryOptions,
) -> Example:
    if question == "caption":
        return caption_example(record, body, style, rng)
    if question == "goal_view":
        return goal_view_example(record, body, style, rng)
    if question == "next_view":
        step = int(rng.integers(record.length))
        return next_view_example(record, step, body, style, rng, past=style.told_views)
    if question == "next_state":
        step = int(rng.integers(record.length - 1))
        return next_state_example(record, step, body, style, rng, past=style.told_views)
    steps = learned_steps(record)
    step = steps[int(rng.integers(len(steps)))]
    if question == "judge":
        return judge_example(record, step, body, style, rng)
    flags = (rng.random(len(body.symmetries)) < 0.5) & options.augment
    if body.place_form is not None and rng.random() < options.state_too:
        style = replace(style, answer="state_action")
    return plan_example(moment(record, step, cameras_of(style), flags, style.told_views), body, style, rng)
