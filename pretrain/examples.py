"""Stored episodes to training batches: which step, which question, which answer, and the labels of every
patch.

Unusual: batch number s is a function of the configuration and s alone (its own random generator), so a run
that is stopped and resumed sees exactly the batches it would have seen. Requests come from the embodiments,
where acting takes them from too; one batch may hold episodes of several.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from policies import embodiments
from policies.action_text import numbered
from policies.embodiments.base import Embodiment
from policies.moment import Moment
from policies.prompts import (
    boxes_request,
    boxes_target,
    described_prompt,
    image_boxes,
    scene,
    shown_assets,
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
from pretrain.dense_heads import NOTHING, Labels, image_labels
from pretrain.moments import learned_steps, moment
from pretrain.settings import QUESTIONS
from pretrain.sources import EpisodeFolders, StoredEpisode
from pretrain.sources.checks import json_objects
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target

_SORTED_BATCHES = 8
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
    """Draw a step of the episode and symmetries of its body, and ask a question of a kind (`QUESTIONS`), or
    for the plan where this episode cannot answer it.
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
        return goal_view_example(record, body, style, rng)
    steps = learned_steps(record)
    step = steps[int(rng.integers(len(steps)))]
    if kind == "judge":
        return judge_example(record, step, body, style, rng)
    now = moment(record, step, cameras_of(style), flags, past=style.told_views)
    if kind == "boxes" and (target := boxes_target(body, now.objects or (), style, sizes_of(now.views))):
        return Example(boxes_request(body, now, style, rng), target, now, body, style)
    return plan_example(now, body, style, rng)


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
    target = Target(image=scene(body, views, style.fitted(body.cameras)))
    return Example(request, target, now, body, style)


def _unlabelled(now: Moment) -> Moment:
    """A moment of which nothing is asked patch by patch."""
    return dataclasses.replace(now, prompt="", prompt_assets={}, objects=None)


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


def goal_view_example(
    record: StoredEpisode, body: Embodiment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Example:
    """Ask for the view after the last action, from the first one and the instruction."""
    now = moment(record, 0, cameras_of(style))
    target = Target(image=scene(body, record.final, style.fitted(body.cameras)))
    return Example(goal_view_request(body, now, style, rng), target, _unlabelled(now), body, style)


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
    return sorted({*style.views, style.object_view})


class TrainingBatches(Dataset[tuple[Batch, Labels]]):
    """Batch s of a run, made from (seed, s) alone."""

    def __init__(
        self,
        source: EpisodeFolders,
        episodes: Sequence[int],
        processor: Processor,
        styles: Styles,
        options: ExampleOptions,
        batch_size: int,
        names: Sequence[str],
        textures: Sequence[str],
    ):
        self._source, self._episodes = source, np.asarray(episodes)
        self._processor, self._styles, self._options = processor, styles, options
        self._batch_size = batch_size
        self._labeller = Labeller(processor, names, textures)
        facts = source.facts
        self._filled = np.array([filled_area(facts[index], styles) for index in self._episodes])

    def __getitem__(self, step: int) -> tuple[Batch, Labels]:
        """Return batch `step`."""
        rng = np.random.default_rng([self._options.seed, step])
        chosen = [self._source[int(self._episodes[i])] for i in self._order(step)]
        kind = self._kind(rng.random())
        return self._labeller(
            [make_example(record, kind, self._styles, self._options, rng) for record in chosen]
        )

    def _kind(self, drawn: float) -> str:
        """The kind of question that a number from 0 to 1 draws."""
        for kind in QUESTIONS:
            drawn -= getattr(self._options, f"{kind}_share")
            if drawn < 0:
                return kind
        return "plan"

    def _order(self, step: int) -> np.ndarray:
        """Places of the batch's episodes: passes over all of them, each in an order of its own.

        Within a few neighbouring batches the episodes are sorted by how much of the picture their objects
        fill, so that a batch's pictures have about as many patches and little is padded.
        """
        count, size = len(self._episodes), self._batch_size
        group, rank = divmod(step, _SORTED_BATCHES)
        places = np.arange(group * _SORTED_BATCHES * size, (group + 1) * _SORTED_BATCHES * size)
        chosen = np.empty(len(places), np.int64)
        for epoch in np.unique(places // count):
            inside = places // count == epoch
            order = np.random.default_rng([self._options.seed, int(epoch), 1]).permutation(count)
            chosen[inside] = order[places[inside] % count]
        chosen = chosen[np.argsort(self._filled[chosen], kind="stable")].reshape(_SORTED_BATCHES, size)
        turn = np.random.default_rng([self._options.seed, group, 2]).permutation(_SORTED_BATCHES)
        return chosen[turn[rank]]


def filled_area(fact: Mapping[str, Any], styles: Styles) -> int:
    """Pixels of a request's last view inside the boxes of an episode's objects (as they lie at its end)."""
    view = styles[fact["embodiment"]].views[-1]
    where = f"final_objects of {fact['task_name']}, seed {fact['seed']}"
    boxes = [thing["boxes"].get(view) for thing in json_objects(fact["final_objects"], where)]
    return sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes if box)


class Labeller:
    """Examples to a batch with the labels of its patches."""

    def __init__(self, processor: Processor, names: Sequence[str], textures: Sequence[str]):
        self._processor = processor
        self._names = {name: index for index, name in enumerate(names)}
        self._textures = {name: index for index, name in enumerate(textures)}

    def __call__(self, examples: Sequence[Example]) -> tuple[Batch, Labels]:
        """Build the batch of the examples, and the labels in its layout."""
        batch = self._processor([e.request for e in examples], [e.target for e in examples])
        shape = batch.image.mask.shape
        name, texture, role = (np.full(shape, NOTHING) for _ in range(3))
        centre = np.zeros((*shape, 2), np.int64)
        grid = self._processor.config.image_grid
        for row, example in enumerate(examples):
            now, body = example.moment, example.body
            objects = now.objects
            if not objects:
                continue
            positions = batch.image.positions[row].numpy()
            boxes = image_boxes(body, objects, example.style, sizes_of(now.views))
            owner = image_labels(boxes, positions, grid)  # [N]
            owned = owner >= 0
            ids = np.array([self._ids(thing["name"], thing["texture"]) for thing in objects])  # [objects, 2]
            name[row, owned], texture[row, owned] = ids[owner[owned]].T
            role[row, owned] = body.roles(now)[owner[owned]]
            centre[row] = body.object_bins(objects)[owner]
        layout = (len(examples), 0, 0) if batch.image_history is None else batch.image_history.mask.shape
        history = np.full((2, *layout), NOTHING)
        for row, example in enumerate(examples):
            for frame, asset in enumerate(_shown(example)):
                positions = batch.image_history.positions[row, frame].numpy()
                history[:, row, frame] = self._asset_ids(asset, positions, example)
        tensors = [torch.from_numpy(array) for array in (name, texture, centre, role, *history)]
        return batch, Labels(*tensors)

    def _ids(self, name: str, texture: str) -> tuple[int, int]:
        return self._names.get(name, NOTHING), self._textures.get(texture, NOTHING)

    def _asset_ids(self, asset: Mapping[str, Any], positions: np.ndarray, example: Example) -> np.ndarray:
        """Name and texture ids [2, M] of the patches at these raster positions of a prompt's picture."""
        info = asset.get("segm", {}).get("obj_info")
        if not info:  # a picture that says nothing of objects
            return np.full((2, len(positions)), NOTHING)
        if asset["placeholder_type"] == "object":
            ids = self._ids(info["obj_name"], info["obj_color"])
            return np.broadcast_to(np.array(ids)[:, None], (2, len(positions)))
        view = example.style.views[-1]
        things = [{"boxes": {view: _box(asset["segm"][view] == thing["obj_id"])}} for thing in info]
        boxes = image_boxes(example.body, things, example.style, sizes_of(example.moment.views))
        owner = image_labels(boxes, positions, self._processor.config.history_grid)
        ids = np.array([self._ids(thing["obj_name"], thing["obj_color"]) for thing in info]).T  # [2, things]
        return np.where(owner >= 0, ids[:, owner], NOTHING)


def _shown(example: Example) -> list[Any]:
    """The assets behind the request's history images, in order."""
    if not example.request.image_history:
        return []
    return shown_assets(example.moment.prompt, example.moment.prompt_assets, example.style)


def _box(mask: np.ndarray) -> list[int] | None:
    """First row, first column, last row, last column of what is True; None for nothing."""
    rows, columns = np.nonzero(mask)
    return [rows.min(), columns.min(), rows.max(), columns.max()] if len(rows) else None
