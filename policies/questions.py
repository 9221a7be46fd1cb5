"""What else can be asked of an episode than its next action: where the body is after an action, what it sees
then, how it looks when the task is done, whether an action is right, and what the episode was for. Wordings:
`templates.yaml`. Source: Unified-IO 2 (arXiv 2312.17172), embodied tasks and navigation data.

Refuses to know environments and bodies, as `policies.prompts`, whose requests these stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from policies.moment import Moment
from policies.prompts import Body, draw, instruction, scene, told
from policies.style import PromptStyle
from uio2_agent.request import Request

Views = Mapping[str, np.ndarray]
"""Camera to picture, uint8 (H, W, 3)."""

VERDICTS = ("no", "yes")
"""Whether an action is wrong or right."""


def next_state_request(
    body: Body, now: Moment, action: str, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask where the body is after an action; the answer is its `state_text` then. The steps before are told
    with what was seen, as far as the moment knows it (`past_views`).
    """
    return _about_an_action("next_state", body, now, action, style, rng)


def next_view_request(
    body: Body, now: Moment, action: str, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask what is seen after an action; the answer is a picture, laid out as the request's own. The steps
    before as in `next_state_request`.
    """
    return _about_an_action("next_view", body, now, action, style, rng)


def goal_view_request(
    body: Body, first: Moment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask how it looks when the task is done, from the first moment; the answer is a picture, laid out as the
    request's own. Images of the instruction are history.
    """
    style = style.fitted(body.cameras)
    text, history = instruction(body, first.prompt, first.prompt_assets, style)
    text = draw(body.wordings(style)["goal_view"], rng).format(instruction=text)
    return Request(text=text, image=scene(body, first.views, style), image_history=tuple(history))


def judge_request(
    body: Body, now: Moment, action: str, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask whether an action is the right one now; the answer is one of `VERDICTS`. What was done is told as
    in a request for the plan.
    """
    style = style.fitted(body.cameras)
    text, history = told(body, now, style)
    words = body.words(now.state, style)
    text = draw(body.wordings(style)["judge"], rng).format(instruction=text, action=action, **words)
    text = " ".join(text.split())
    return Request(text=text, image=scene(body, now.views, style), image_history=tuple(history))


def caption_request(
    body: Body, seen: Sequence[Views], style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask what an episode was for, from some of its views, the last as the image and those before as history,
    as many of the latest as the style shows. The answer is the instruction in words.
    """
    style = style.fitted(body.cameras)
    *before, last = seen
    before = before[len(before) - min(len(before), style.max_history) :]
    markers = " ".join(f"<image_history_{j}>" for j in range(1, len(before) + 1))
    text = draw(body.wordings(style)["caption"], rng).format(views=f"{markers} <image_input>".strip())
    history = tuple(scene(body, views, style) for views in before)
    return Request(text=text, image=scene(body, last, style), image_history=history)


def _about_an_action(
    key: str, body: Body, now: Moment, action: str, style: PromptStyle, rng: np.random.Generator | None
) -> Request:
    style = style.fitted(body.cameras)
    place = body.state_text(now.state)
    text = draw(body.wordings(style)[key], rng).format(place=place, action=action)
    before, history = "", []
    if now.past_views:
        before, history = told(body, replace(now, prompt="", prompt_assets={}), style)
    text = " ".join(f"{before} {text}".split())
    return Request(text=text, image=scene(body, now.views, style), image_history=tuple(history))
