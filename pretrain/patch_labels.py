"""What every patch of a batch's pictures shows, in labels that datasets give for nothing.

A patch of the image says what it belongs to, where that thing's centre is, how it stands, what the next step
does to it and where it takes it, and where the prompt's scene, or the goal, and the first view show the same
thing. A patch of a history picture says what it belongs to, where that is, and how it stands. The labels come
from the boxes and the segmentation stored with each frame, so no simulator is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policies.embodiments.base import NO_ROLE
from policies.prompts import image_boxes, shown_assets, sizes_of
from policies.style import PromptStyle
from pretrain.drawn_places import NOWHERE, tokens_of_patches
from pretrain.examples import Example
from pretrain.recolouring import texture_name
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor

NOTHING = NO_ROLE
"""The label of what is not known, which cross_entropy leaves out."""
_HELD = 0.25
"""Share of a patch that a thing covers which owns it before what it lies in."""
TABLE, STAYS, CAME = 0, 1, 2
"""What lies in a place when the task is done: nothing, what is there now, another thing."""
SCENE, FIRST_VIEW = 0, 1
"""Where else a thing of the image may be shown: in the prompt's scene that comes next, or the goal; in the
first view."""


@dataclass(frozen=True)
class Labels:
    """Per patch of the image: name, texture, role int64 [B, N]; x and y bins of the object's centre, centre
    int64 [B, N, 2]; its `Embodiment.postures`, posture int64 [B, N, 3]; its `Embodiment.moves`, move int64
    [B, N, 4]; its `Embodiment.contrasts`, contrast int64 [B, N]; the centre of the same object where the
    prompt's scene and the first view show it, elsewhere int64 [B, N, 2, 2]; where a picture is asked for, the
    number of its token that is drawn there, drawn int64 [B, N], what lies there in the end, one of TABLE,
    STAYS and CAME, ending int64 [B, N], and of what came the centre where it lies now, source int64
    [B, N, 2]. Per example: which contrast is asked for, asked int64 [B].

    Per history frame: its `Embodiment.turns`, turn int64 [B, F, 2]. Per patch of the frames: name, texture
    int64 [B, F, M], centre int64 [B, F, M, 2], posture int64 [B, F, M, 3]. -100 where nothing is known, in
    `centre` wherever `name` is.
    """

    name: Tensor
    texture: Tensor
    centre: Tensor
    posture: Tensor
    role: Tensor
    move: Tensor
    contrast: Tensor
    asked: Tensor
    elsewhere: Tensor
    drawn: Tensor
    ending: Tensor
    source: Tensor
    history_name: Tensor
    history_texture: Tensor
    history_centre: Tensor
    history_posture: Tensor
    turn: Tensor

    def to(self, device: torch.device | str) -> "Labels":
        """Return a copy on the device."""
        return Labels(**{key: value.to(device) for key, value in vars(self).items()})


@dataclass(frozen=True)
class _Shown:
    """The things in one picture, in arrays of as many rows; boxes as `image_boxes` returns them, of each of
    the views that are stacked in it.
    """

    ids: np.ndarray  # int64 [things, 2], name and texture
    boxes: np.ndarray  # float64 [views, things, 4]
    bins: np.ndarray  # int64 [things, 2]
    postures: np.ndarray  # int64 [things, 3]

    def owners(self, positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
        """Which thing each patch at these raster positions of a grid belongs to: int64 [N], -1 for none."""
        owner = image_labels(self.boxes.reshape(-1, 4), positions, grid)
        return np.where(owner >= 0, owner % max(1, len(self.ids)), -1)

    def patches(self, positions: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, ...]:
        """Ids [N, 2], bins [N, 2] and postures [N, 3] of the patches at these raster positions of a grid."""
        owner = self.owners(positions, grid)
        known = (owner >= 0)[:, None]
        told = (self.ids, self.bins, self.postures)
        return tuple(np.where(known, values[owner], NOTHING) for values in told)

    def where(self, ids: np.ndarray) -> np.ndarray:
        """Bins [n, 2] at which things of these ids [n, 2] are shown, -100 where not exactly one is."""
        same = (self.ids[None] == ids[:, None]).all(-1)  # [n, things]
        same &= ~np.isnan(self.boxes[-1]).any(-1)
        alone = (same.sum(-1) == 1)[:, None]
        return np.where(alone, self.bins[same.argmax(-1)], NOTHING)


class Labeller:
    """Examples to a batch with the labels of its patches."""

    def __init__(self, processor: Processor, names: Sequence[str], textures: Sequence[str]):
        self._processor = processor
        self._names = {name: index for index, name in enumerate(names)}
        self._textures = {name: index for index, name in enumerate(textures)}
        self._others: dict[str, int] = {}

    def __call__(self, examples: Sequence[Example]) -> tuple[Batch, Labels]:
        """Build the batch of the examples, and the labels in its layout."""
        batch = self._processor([e.request for e in examples], [e.target for e in examples])
        shape = batch.image.mask.shape
        image, centre = (np.full((*shape, 2), NOTHING) for _ in range(2))
        posture, role, move = (np.full((*shape, *more), NOTHING) for more in ((3,), (), (4,)))
        contrast, asked = np.full(shape, NOTHING), np.full(len(examples), NOTHING)
        elsewhere, source = np.full((*shape, 2, 2), NOTHING), np.full((*shape, 2), NOTHING)
        drawn, ending = (np.full(shape, NOTHING) for _ in range(2))
        layout = (len(examples), 0, 0) if batch.image_history is None else batch.image_history.mask.shape
        history, history_centre = (np.full((*layout, 2), NOTHING) for _ in range(2))
        history_posture, turn = np.full((*layout, 3), NOTHING), np.full((*layout[:2], 2), NOTHING)
        config = self._processor.config
        for row, example in enumerate(examples):
            frames = self._frames(example)
            for frame, shown in enumerate(frames):
                if shown is None:
                    continue
                at = batch.image_history.positions[row, frame].numpy()
                found = shown.patches(at, config.history_grid)
                history[row, frame], history_centre[row, frame], history_posture[row, frame] = found
            now, body = example.moment, example.body
            told = len(_assets(example))
            turn[row, :told] = body.turns(now, told)
            if _asks_for_picture(example):
                drawn[row] = self._drawn(example)[batch.image.positions[row].numpy()]
            if not now.objects:
                continue
            at = batch.image.positions[row].numpy()
            here = self._in_view(example, now.objects)
            image[row], centre[row], posture[row] = here.patches(at, config.image_grid)
            owner = here.owners(at, config.image_grid)  # [N]
            seen = owner >= 0
            if now.goal_objects is not None and _asks_for_picture(example):
                ending[row], source[row] = self._end(example, here, at)
            role[row, seen] = body.roles(now)[owner[seen]]
            move[row, seen] = body.moves(now)[owner[seen]]
            asked[row], contrasts = body.contrasts(now)
            contrast[row, seen] = contrasts[owner[seen]]
            for place, shown in ((SCENE, _next_scene(example, frames)), (FIRST_VIEW, self._first(example))):
                if shown is not None:
                    elsewhere[row, seen, place] = shown.where(here.ids)[owner[seen]]
        image[image < 0] = history[history < 0] = NOTHING  # of what has a name that is not learned
        arrays = dict(
            name=image[..., 0],
            texture=image[..., 1],
            centre=centre,
            posture=posture,
            role=role,
            move=move,
            contrast=contrast,
            asked=asked,
            elsewhere=elsewhere,
            drawn=drawn,
            ending=ending,
            source=source,
            history_name=history[..., 0],
            history_texture=history[..., 1],
            history_centre=history_centre,
            history_posture=history_posture,
            turn=turn,
        )
        return batch, Labels(**{name: torch.from_numpy(array) for name, array in arrays.items()})

    def _drawn(self, example: Example) -> np.ndarray:
        """The token that is drawn in the place of each patch of the grid, int64 [patches]."""
        body, config = example.body, self._processor.config
        style, sizes = example.style.fitted(body.cameras), sizes_of(example.moment.views)
        tokens = tokens_of_patches(body, style, sizes, config)
        return np.where(tokens == NOWHERE, NOTHING, tokens)

    def _end(self, example: Example, here: _Shown, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What lies where patches are in the end, int64 [N], and of what came its bins now, int64 [N, 2]."""
        now, grid = example.moment, self._processor.config.image_grid
        last = self._in_view(example, now.goal_objects).owners(at, grid)
        index = {thing["id"]: number for number, thing in enumerate(now.objects)}
        last = np.array([index.get(thing["id"], -1) for thing in now.goal_objects] + [-1])[last]
        stays = last == here.owners(at, grid)
        ending = np.where(last < 0, TABLE, np.where(stays, STAYS, CAME))
        return ending, np.where((ending == CAME)[:, None], here.bins[last], NOTHING)

    def _in_view(
        self, example: Example, objects: Sequence[Mapping[str, Any]], style: PromptStyle | None = None
    ) -> _Shown:
        """Objects of the embodiment as the request's picture of the present shows them, or one of a style."""
        ids = np.array([self._ids(thing["name"], thing["texture"], example) for thing in objects])
        body = example.body
        boxes = _boxes(example, objects, style or example.style)
        return _Shown(ids, boxes, body.object_bins(objects), body.postures(objects))

    def _first(self, example: Example) -> _Shown | None:
        """The first view, where the request carries it and it is known what that shows."""
        if not _carries_first(example) or not example.moment.first_objects:
            return None
        return self._in_view(example, example.moment.first_objects)

    def _frames(self, example: Example) -> list[_Shown | None]:
        """What the request's history pictures show; None where nothing is known."""
        now, frames = example.moment, [self._asset(asset, example) for asset in _assets(example)]
        if _carries_first(example):
            frames.append(self._first(example))
        if _carries_goal(example):
            style = example.style.drawn
            frames.append(self._in_view(example, now.goal_objects, style) if now.goal_objects else None)
        return frames

    def _asset(self, asset: Mapping[str, Any], example: Example) -> _Shown | None:
        """What a picture of the prompt shows."""
        if objects := asset.get("objects"):
            return self._in_view(example, objects)
        info = asset.get("segm", {}).get("obj_info")
        if not info:
            return None
        if asset["placeholder_type"] == "object":  # all of the picture, and nowhere on the table
            ids = np.array([self._ids(info["obj_name"], info["obj_color"], example)])
            whole = np.array([[[0.0, 0.0, 1.0, 1.0]]])
            return _Shown(ids, whole, np.full((1, 2), NOTHING), np.full((1, 3), NOTHING))
        views = example.style.views
        segm = {view: asset["segm"][view] for view in views}
        things = [{"boxes": {view: _box(segm[view] == thing["obj_id"]) for view in views}} for thing in info]
        ids = np.array([self._ids(thing["obj_name"], thing["obj_color"], example) for thing in info])
        view = views[-1]
        bins = example.body.seen_bins(view, [t["boxes"][view] for t in things], np.shape(segm[view]))
        boxes = _boxes(example, things, example.style)
        return _Shown(ids, boxes, bins, np.full((len(info), 3), NOTHING))

    def _ids(self, name: str, texture: str, example: Example) -> tuple[int, int]:
        """Ids of a name and of a texture as the example shows it; those of what is not learned are below
        NOTHING, each its own, so that the same thing is known again in another picture.
        """
        texture = texture_name(texture, example.channels)
        return self._id(name, self._names), self._id(texture, self._textures)

    def _id(self, word: str, learned: Mapping[str, int]) -> int:
        if word in learned:
            return learned[word]
        return self._others.setdefault(word, NOTHING - 1 - len(self._others))


def image_labels(boxes: np.ndarray, positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Say which object each patch belongs to: int64 [N], the index of the box that covers most of it, or -1.

    boxes float [objects, 4] are y0 x0 y1 x1 as fractions of the picture (nan when unseen); positions [N] are
    raster indices on the grid (rows, columns). A box that holds another, as a bowl holds what lies in it,
    owns no patch of which that one covers a quarter.
    """
    rows, columns = grid
    row, column = np.divmod(positions, columns)
    low = np.stack([row / rows, column / columns], -1)[:, None]  # [N, 1, 2]
    high = low + (1 / rows, 1 / columns)
    start, end = boxes[:, :2], boxes[:, 2:]  # [objects, 2]
    covered = np.clip(np.minimum(high, end) - np.maximum(low, start), 0, None).prod(-1) * rows * columns
    covered = np.nan_to_num(covered)  # [N, objects]
    area = (end - start).prod(-1)  # [objects]
    holds = (start[:, None] <= start).all(-1) & (end[:, None] >= end).all(-1) & (area[:, None] > area)
    held = (covered >= _HELD) @ holds.T  # [N, objects]: whether something that it holds covers the patch
    best = np.argmax(np.where(held, 0.0, covered), axis=-1)
    return np.where(covered.max(-1) > 0, best, -1)


def _boxes(example: Example, objects: Sequence[Mapping[str, Any]], style: PromptStyle) -> np.ndarray:
    """Boxes [views, objects, 4] of things in a picture that stacks a style's views."""
    body, sizes = example.body, sizes_of(example.moment.views)
    return np.stack([image_boxes(body, objects, style, sizes, view) for view in style.views])


def _asks_for_picture(example: Example) -> bool:
    return getattr(example.target, "image", None) is not None


def _assets(example: Example) -> list[Any]:
    """The assets behind the request's first history images, in order."""
    if not example.request.image_history:
        return []
    return shown_assets(example.moment.prompt, example.moment.prompt_assets, example.style)


def _carries_first(example: Example) -> bool:
    """Whether the first view comes behind the pictures of the prompt."""
    now, style, shows = example.moment, example.style, len(example.request.image_history)
    return bool(now.executed and style.memory and not style.told_views and shows > len(_assets(example)))


def _carries_goal(example: Example) -> bool:
    """Whether the goal comes last of the request's pictures, behind those whose place is known."""
    now, style, shows = example.moment, example.style, len(example.request.image_history)
    if not style.goal or style.told_views or now.goal is None:
        return False
    return shows > len(_assets(example)) + _carries_first(example)


def _next_scene(example: Example, frames: Sequence[_Shown | None]) -> _Shown | None:
    """The scene that shows what the next step leads to: the prompt's only one; of several, which show one
    step after another, the one behind those that are done; without any, the goal.
    """
    scenes = [at for at, asset in enumerate(_assets(example)) if asset["placeholder_type"] == "scene"]
    if scenes:
        return frames[scenes[min(len(example.moment.executed) + 1, len(scenes) - 1)]]
    return frames[-1] if _carries_goal(example) else None


def _box(mask: np.ndarray) -> list[int] | None:
    """First row, first column, last row, last column of what is True; None for nothing."""
    rows, columns = np.nonzero(mask)
    return [rows.min(), columns.min(), rows.max(), columns.max()] if len(rows) else None
