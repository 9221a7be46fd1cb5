"""Stored episodes to training batches: which step, which question, which answer, and the labels of every
patch.

Unusual: batch number s is a function of the configuration and s alone (its own random generator), so a run
that is stopped and resumed sees exactly the batches it would have seen. Requests come from
`policies.prompts`, where acting takes them from too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from policies.embodiments.vima import VimaActionCodec, numbered
from policies.prompts import PromptStyle, action_request, boxes_request, boxes_target, image_boxes
from pretrain.augment import Moment, moment
from pretrain.dense_heads import NOTHING, Labels, image_labels, workspace_bins
from pretrain.sources import EpisodeFolders, EpisodeRecord, VimaEpisode
from uio2_agent.inputs.processor import Batch, Processor
from uio2_agent.request import Request

_SORTED_BATCHES = 8
_REACH = 0.06
"""Metres between a pose and the centre of the object it is about."""


@dataclass(frozen=True)
class Example:
    """A question, its answer, and the moment it is about."""

    request: Request
    target: str
    moment: Moment


@dataclass(frozen=True, kw_only=True)
class ExampleOptions:
    """What is asked of a moment."""

    boxes_share: float = 0.1
    """Share of batches that ask for the boxes of all objects; the others ask for the plan. Answers of one
    kind are of like length, so that little is padded."""
    augment: bool = True
    """Mirror and turn the table at random."""
    seed: int = 0


def make_example(
    record: EpisodeRecord | VimaEpisode,
    boxes: bool,
    style: PromptStyle,
    options: ExampleOptions,
    rng: np.random.Generator,
) -> Example:
    """Draw a step of the episode and a symmetry of the table; ask for the boxes of all objects, or for the
    plan.
    """
    views = sorted({*style.views, style.object_view})
    mirror, turn = (rng.random(2) < 0.5) & options.augment
    now = moment(record, int(rng.integers(record.length)), views, bool(mirror), bool(turn))
    if boxes:
        return Example(boxes_request(now.rgb, style, rng), boxes_target(now.objects, style), now)
    return plan_example(now, style, rng)


def plan_example(now: Moment, style: PromptStyle, rng: np.random.Generator | None = None) -> Example:
    """Ask for what remains of the plan, as a re-planning policy does."""
    request = action_request(
        now.prompt,
        now.prompt_assets,
        now.end_effector,
        now.rgb,
        now.first_rgb,
        now.executed,
        style,
        rng,
        now.objects,
    )
    first = len(now.executed)
    target = " ".join(numbered(text, first + index) for index, text in enumerate(now.remaining))
    return Example(request, target, now)


class TrainingBatches(Dataset[tuple[Batch, Labels]]):
    """Batch s of a run, made from (seed, s) alone."""

    def __init__(
        self,
        source: EpisodeFolders,
        episodes: Sequence[int],
        processor: Processor,
        style: PromptStyle,
        options: ExampleOptions,
        batch_size: int,
        names: Sequence[str],
        textures: Sequence[str],
    ):
        self._source, self._episodes = source, np.asarray(episodes)
        self._processor, self._style, self._options = processor, style, options
        self._batch_size = batch_size
        self._labeller = Labeller(processor, style, names, textures)
        facts = source.facts
        self._filled = np.array([filled_area(facts[index], style.views[-1]) for index in self._episodes])

    def __getitem__(self, step: int) -> tuple[Batch, Labels]:
        """Return batch `step`."""
        rng = np.random.default_rng([self._options.seed, step])
        chosen = [self._source[int(self._episodes[i])] for i in self._order(step)]
        boxes = bool(rng.random() < self._options.boxes_share)
        return self._labeller(
            [make_example(record, boxes, self._style, self._options, rng) for record in chosen]
        )

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


def filled_area(fact: Mapping[str, Any], view: str) -> int:
    """Pixels of a view inside the boxes of an episode's objects (as they lie at its end)."""
    boxes = [thing["boxes"].get(view) for thing in json.loads(fact["final_objects"])]
    return sum((box[2] - box[0]) * (box[3] - box[1]) for box in boxes if box)


def roles(now: Moment) -> np.ndarray:
    """Say what the next step does to each object: int64 [objects], 1 picks (or pushes) it, 2 places onto it,
    else 0.
    """
    (step,) = VimaActionCodec().parse(numbered(now.remaining[0], 0))
    places = np.array([thing["position"][:2] for thing in now.objects])
    found = np.zeros(len(places), np.int64)
    for role, pose in ((1, "pose0_position"), (2, "pose1_position")):
        distance = np.where(found > 0, np.inf, np.linalg.norm(places - step.action[pose], axis=-1))
        if distance.min() < _REACH:
            found[distance.argmin()] = role
    return found


class Labeller:
    """Examples to a batch with the labels of its patches."""

    def __init__(
        self, processor: Processor, style: PromptStyle, names: Sequence[str], textures: Sequence[str]
    ):
        self._processor, self._style = processor, style
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
            objects = example.moment.objects
            if not objects:
                continue
            positions = batch.image.positions[row].numpy()
            owner = image_labels(image_boxes(objects, self._style), positions, grid)  # [N]
            owned = owner >= 0
            ids = np.array([self._ids(thing["name"], thing["texture"]) for thing in objects])  # [objects, 2]
            name[row, owned], texture[row, owned] = ids[owner[owned]].T
            role[row, owned] = roles(example.moment)[owner[owned]]
            centre[row] = workspace_bins(objects)[owner]
        layout = (len(examples), 0, 0) if batch.image_history is None else batch.image_history.mask.shape
        history = np.full((2, *layout), NOTHING)
        for row, example in enumerate(examples):
            for frame, asset in enumerate(self._shown(example)):
                positions = batch.image_history.positions[row, frame].numpy()
                history[:, row, frame] = self._asset_ids(asset, positions)
        tensors = [torch.from_numpy(array) for array in (name, texture, centre, role, *history)]
        return batch, Labels(*tensors)

    def _ids(self, name: str, texture: str) -> tuple[int, int]:
        return self._names.get(name, NOTHING), self._textures.get(texture, NOTHING)

    def _shown(self, example: Example) -> list[Mapping[str, Any]]:
        """The assets behind the request's history images, in order."""
        places = [(example.moment.prompt.find(f"{{{key}}}"), key) for key in example.moment.prompt_assets]
        order = [key for place, key in sorted(places) if place >= 0] if example.request.image_history else []
        assets = [example.moment.prompt_assets[key] for key in order]
        named = "object" if self._style.object_names else None
        return [asset for asset in assets if asset["placeholder_type"] != named]

    def _asset_ids(self, asset: Mapping[str, Any], positions: np.ndarray) -> np.ndarray:
        """Name and texture ids [2, M] of the patches at these raster positions of a prompt's picture."""
        info = asset["segm"]["obj_info"]
        if asset["placeholder_type"] == "object":
            ids = self._ids(info["obj_name"], info["obj_color"])
            return np.broadcast_to(np.array(ids)[:, None], (2, len(positions)))
        view = self._style.views[-1]
        things = [{"boxes": {view: _box(asset["segm"][view] == thing["obj_id"])}} for thing in info]
        owner = image_labels(image_boxes(things, self._style), positions, self._processor.config.history_grid)
        ids = np.array([self._ids(thing["obj_name"], thing["obj_color"]) for thing in info]).T  # [2, things]
        return np.where(owner >= 0, ids[:, owner], NOTHING)


def _box(mask: np.ndarray) -> list[int] | None:
    """First row, first column, last row, last column of what is True; None for nothing."""
    rows, columns = np.nonzero(mask)
    return [rows.min(), columns.min(), rows.max(), columns.max()] if len(rows) else None
