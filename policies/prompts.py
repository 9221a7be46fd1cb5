"""Instruction and observation → the model's `Request`, for acting and for training: the one place for both.

The image input is the present view; prompt images (and, on re-planning, the first view of the episode) are
image history, named by `<image_history_j>` in the text where the instruction shows them. Unusual: re-planning
sees no past but what the request carries, so a request after the first step holds the first view and the
executed steps as action text.

Refuses to know environments and bodies: cameras, regions and the words for a tool come from the `Body` that
is handed in, an embodiment. The wordings live in `templates.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from policies.action_text import locations_text
from policies.moment import Moment
from policies.style import PromptStyle
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Request

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ANY_BODY = "any"

Sizes = Mapping[str, tuple[int, int]]
"""Camera to (height, width) of its pictures."""


class Body(Protocol):
    """What a request needs to know of a body; see `policies.embodiments.base.Embodiment`."""

    cameras: Sequence[str]

    def region(self, camera: str, height: int, width: int) -> tuple[slice, slice]: ...

    def words(self, state: np.ndarray, style: PromptStyle) -> Mapping[str, str]: ...

    def wordings(self, style: PromptStyle) -> Mapping[str, Any]: ...

    def told(self, step: str | None, number: int, state: np.ndarray | None) -> str: ...

    def state_text(self, state: np.ndarray) -> str: ...


def plan_request(
    body: Body, now: Moment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask for the plan, or for what remains of it.

    When steps were executed, the first view is carried if an image marker is left, or in its place the views
    before the latest steps, where the style asks for them and they are known. The goal comes last of the
    pictures, where the style shows it. `rng` draws one of the
    wordings; None takes the first.

    Raises:
        UIO2Error: A placeholder has no asset, an asset no image, there are more prompt images than markers,
            or the style tells boxes and there are no objects to tell.
    """
    style = style.fitted(body.cameras)
    words = body.wordings(style)
    text, history = told(body, now, style)
    if style.goal and now.goal is not None and len(history) < style.max_history:
        history.append(now.goal)
        text += " " + draw(words["shown_goal"], rng).format(j=len(history))
    text = draw(words["actions"], rng).format(instruction=text, **body.words(now.state, style))
    if style.answer == "state_action":
        text += " " + draw(words["state_too"], rng)
    if style.object_boxes:
        if now.objects is None:
            raise UIO2Error("this prompt style tells the boxes of objects: hand in the moment's objects")
        boxes = boxes_target(body, now.objects, style, sizes_of(now.views))
        text += " " + draw(words["told_boxes"], rng).format(boxes=boxes)
    return Request(text=text, image=scene(body, now.views, style), image_history=tuple(history))


def told(body: Body, now: Moment, style: PromptStyle) -> tuple[str, list[np.ndarray]]:
    """Return the instruction and what was done so far as text, and the pictures of its markers in order.

    The style has all its cameras named; raises as `plan_request`.
    """
    words = body.wordings(style)
    text, history = instruction(body, now.prompt, now.prompt_assets, style)
    if now.executed and style.memory:
        seen = min(style.told_views, len(now.past_views), style.max_history - len(history))
        if not style.told_views and now.first_views is not None and len(history) < style.max_history:
            history.append(scene(body, now.first_views, style))
            text += " " + words["memory"]["view"].format(j=len(history))
        count = len(now.executed)
        steps = []
        for number in _told_steps(count, style):
            state = now.past_states[number] if len(now.past_states) else None
            done = number == count - 1 or style.told_spacing == "each"
            step = body.told(now.executed[number] if done else None, number, state)
            if number >= count - seen:
                history.append(scene(body, now.past_views[number - count], style))
                step = f"<image_history_{len(history)}> {step}"
            steps.append(step)
        text += " " + words["memory"]["steps"].format(steps=" ".join(steps))
    return text, history


def _told_steps(count: int, style: PromptStyle) -> list[int]:
    """Numbers of the executed steps that are told, ascending."""
    if style.told_spacing == "each":
        return list(range(max(0, count - style.told_steps), count))
    ago = (2**power for power in range(style.told_steps))
    return [count - each for each in ago if each <= count][::-1]


def boxes_request(
    body: Body, now: Moment, style: PromptStyle, rng: np.random.Generator | None = None
) -> Request:
    """Ask for the boxes and names of all objects; images as in `plan_request`."""
    style = style.fitted(body.cameras)
    return Request(text=draw(body.wordings(style)["boxes"], rng), image=scene(body, now.views, style))


def boxes_target(body: Body, objects: Sequence[Mapping[str, Any]], style: PromptStyle, sizes: Sizes) -> str:
    """Write the answer to `boxes_request`: per object `y1 x1 y2 x2 texture name`, numbers as location tokens.

    Boxes are those of the style's last camera, in the coordinates of the request's image: 0…1 from its first
    to behind its last row or column, /999. Objects come from left to right by the centre of their boxes, ties
    from top to bottom; a fixed order is easier to learn than UIO-2's shuffled one. Objects that the camera
    does not see are left out.

    Arguments:
        objects: Mappings with `name`, `texture` and `boxes`: per camera [row0, col0, row1, col1], inclusive
            pixels of its pictures, whose `sizes` are given, or None.
    """
    found = []
    for thing, box in zip(objects, image_boxes(body, objects, style, sizes), strict=True):
        if not np.isnan(box).any():
            centre = (box[1] + box[3], box[0] + box[2])
            found.append((*centre, f"{locations_text(box)} {object_name(thing['texture'], thing['name'])}"))
    return " ".join(text for _, _, text in sorted(found))


def image_boxes(
    body: Body,
    objects: Sequence[Mapping[str, Any]],
    style: PromptStyle,
    sizes: Sizes,
    view: str | None = None,
) -> np.ndarray:
    """Return where objects are in the request's image: float64 [objects, 4], y0 x0 y1 x1 / its sides.

    Each runs from its first to behind its last row or column in one of the style's cameras, by default the
    last; an object that this camera does not see has four nan. Arguments as in `boxes_target`.
    """
    style = style.fitted(body.cameras)
    view = view or style.views[-1]
    rows, cols = _kept(body, view, sizes[view], style)
    heights = {other: _height(_kept(body, other, sizes[other], style)) for other in style.views}
    above = sum(heights[other] for other in style.views[: style.views.index(view)])
    kept, whole = np.array([heights[view], cols.stop - cols.start]), sum(heights.values())
    boxes = np.full((len(objects), 4), np.nan)
    for index, thing in enumerate(objects):
        box = thing["boxes"].get(view)
        if box is None:
            continue
        low = np.clip((box[0] - rows.start, box[1] - cols.start), 0, kept)
        high = np.clip((box[2] + 1 - rows.start, box[3] + 1 - cols.start), 0, kept)
        if (high > low).all():
            size = np.array([whole, kept[1]])
            boxes[index] = np.concatenate([(low + (above, 0)) / size, (high + (above, 0)) / size])
    return boxes


def seen_boxes(ids: Sequence[int], segmentation: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return where cameras see objects: of each id, its box by camera.

    A box is [first row, first column, last row, last column], inclusive pixels; None where nothing of the
    object is seen. `segmentation` holds (H, W) integers, object ids, by camera.
    """
    from scipy import ndimage  # here, for commands that only tell a mistake would load it, too

    slices = {view: ndimage.find_objects(ids_seen) for view, ids_seen in segmentation.items()}

    def box(view: str, number: int) -> list[int] | None:
        found = slices[view][number - 1] if 0 < number <= len(slices[view]) else None
        return found and [found[0].start, found[1].start, found[0].stop - 1, found[1].stop - 1]

    return [{view: box(view, int(number)) for view in slices} for number in ids]


def sizes_of(views: Mapping[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Return (height, width) of each camera's picture (H, W, 3)."""
    return {view: picture.shape[:2] for view, picture in views.items()}


def named_prompt(prompt: str, prompt_assets: Mapping[str, Any]) -> str:
    """Return the prompt with the names of single objects in the place of their pictures; scenes stay.

    `Put the {dragged_obj} as in {scene}.` becomes `Put the red block as in {scene}.`
    """

    def name(match: re.Match) -> str:
        asset = prompt_assets[match[1]]
        return match[0] if asset["placeholder_type"] == "scene" else _asset_name(asset)

    return _PLACEHOLDER.sub(name, prompt)


def described_prompt(prompt: str, prompt_assets: Mapping[str, Any]) -> str:
    """Return the prompt in words: `{dragged_obj}` becomes "red block", a scene becomes "this scene"."""
    described = _PLACEHOLDER.sub("this scene", named_prompt(prompt, prompt_assets))
    return described.replace("this this scene", "this scene")


def object_name(texture: str, name: str) -> str:
    """Return what an object is called in texts: "texture name"."""
    return f"{texture} {name}"


def shown_assets(prompt: str, prompt_assets: Mapping[str, Any], style: PromptStyle) -> list[Any]:
    """Return the assets that `plan_request` shows as pictures, in the order of their markers."""
    names = dict.fromkeys(_PLACEHOLDER.findall(prompt))
    assets = [prompt_assets[name] for name in names if name in prompt_assets]
    named = "object" if style.object_names else None
    return [asset for asset in assets if asset["placeholder_type"] != named]


def wordings(body: str, wording: str) -> Mapping[str, Any]:
    """Return the wordings of a body under a style's key, by question: its own, else those for any body.

    Raises:
        UIO2Error: The body has no wordings of this key.
    """
    known = _templates().get(body, _templates()[_ANY_BODY])
    if wording not in known:
        raise UIO2Error(f"prompt style: wording {wording!r} is unknown; use one of {sorted(known)}")
    return {**_templates()[_ANY_BODY].get(wording, {}), **known[wording]}


def _asset_name(asset: Mapping[str, Any]) -> str:
    shown = asset["segm"]["obj_info"]
    return object_name(shown["obj_color"], shown["obj_name"])


def instruction(
    body: Body, prompt: str, assets: Mapping[str, Any], style: PromptStyle
) -> tuple[str, list[np.ndarray]]:
    """Return the prompt with markers or names for its placeholders, and the images of the markers in
    order; raises as `plan_request`.
    """
    markers: dict[str, str] = {}
    images: list[np.ndarray] = []

    def replace(match: re.Match) -> str:
        name = match[1]
        if name not in assets:
            raise UIO2Error(f"the prompt shows {{{name}}}, but prompt_assets holds only {sorted(assets)}")
        if name not in markers:
            asset = assets[name]
            if asset["placeholder_type"] == "scene":
                images.append(scene(body, asset["rgb"], style))
                markers[name] = f"<image_history_{len(images)}>"
            elif style.object_names:
                markers[name] = _asset_name(asset)
            else:
                images.append(_object(asset["rgb"], style))
                markers[name] = f"<image_history_{len(images)}>"
        # Special pieces are recognised at a word start only.
        return (
            markers[name]
            if match.start() == 0 or prompt[match.start() - 1].isspace()
            else f" {markers[name]}"
        )

    text = _PLACEHOLDER.sub(replace, prompt)
    if len(images) > style.max_history:
        raise UIO2Error(
            f"the prompt shows {len(images)} images, this style carries at most {style.max_history}"
        )
    return text, images


def scene(body: Body, rgb: Mapping[str, np.ndarray], style: PromptStyle) -> np.ndarray:
    """Return the style's views of a scene stacked, (H, W, 3)."""
    pictures = [_image(rgb, view) for view in style.views]
    kept = [
        picture[_kept(body, view, picture.shape[:2], style)]
        for view, picture in zip(style.views, pictures, strict=True)
    ]
    if len({picture.shape[1] for picture in kept}) > 1:
        widths = ", ".join(f"{view} {p.shape[1]}" for view, p in zip(style.views, kept, strict=True))
        raise UIO2Error(
            f"pictures of different widths cannot be stacked ({widths}): choose views= of one width"
        )
    return np.concatenate(kept)


def drawn_rows(body: Body, style: PromptStyle, sizes: Sizes) -> tuple[slice | None, tuple[int, int]]:
    """Return which rows of a request's picture show what is drawn, None where they are not one piece of it,
    and the picture's (height, width). The style has all its cameras named.
    """
    kept = {view: _kept(body, view, sizes[view], style) for view in style.views}
    heights = [_height(region) for region in kept.values()]
    _, columns = kept[style.views[0]]
    whole = sum(heights), columns.stop - columns.start
    drawn = style.drawn.views
    first = next((at for at in range(len(heights)) if style.views[at : at + len(drawn)] == drawn), None)
    if first is None:
        return None, whole
    return slice(sum(heights[:first]), sum(heights[: first + len(drawn)])), whole


def _object(rgb: Mapping[str, np.ndarray], style: PromptStyle) -> np.ndarray:
    """The squares around the single object of a placeholder, stacked, (views * S, S, 3)."""
    squares = []
    for view in style.object_views:
        picture = _image(rgb, view)
        height, width = picture.shape[:2]
        side = style.object_crop * height // 128
        row, col, half, rest = height // 2, width // 2, side // 2, side - side // 2
        squares.append(picture[row - half : row + rest, max(col - half, 0) : col + rest])
    return np.concatenate(squares)


def _image(rgb: Mapping[str, np.ndarray], view: str) -> np.ndarray:
    """One camera's picture as (H, W, 3)."""
    if view not in rgb:
        raise UIO2Error(
            f"the prompt style needs the {view} view, the images are {sorted(rgb)}; make the env with it"
        )
    image = np.asarray(rgb[view])
    if image.ndim == 3 and image.shape[0] == 3 != image.shape[-1]:
        image = image.transpose(1, 2, 0)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise UIO2Error(
            f"the {view} view must be uint8 (H, W, 3) or (3, H, W), got {image.dtype} {image.shape}"
        )
    return image


def _kept(body: Body, view: str, size: tuple[int, int], style: PromptStyle) -> tuple[slice, slice]:
    return body.region(view, *size) if style.crop_to_mat else (slice(0, size[0]), slice(0, size[1]))


def _height(region: tuple[slice, slice]) -> int:
    return region[0].stop - region[0].start


def draw(wordings: Sequence[str], rng: np.random.Generator | None) -> str:
    """Return one of the wordings; the first where nothing draws."""
    return wordings[0] if rng is None else wordings[int(rng.integers(len(wordings)))]


@cache
def _templates() -> dict[str, Any]:
    import yaml  # comes with hydra; not needed to act on a style that is never used

    return yaml.safe_load(Path(__file__).with_name("templates.yaml").read_text(encoding="utf-8"))
