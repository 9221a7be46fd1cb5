"""Instruction and observation → the model's `Request`, for acting and for training: the one place for both.

The image input is the present table; prompt images (and, on re-planning, the first view of the episode) are
image history, named by `<image_history_j>` in the text where the instruction shows them. Unusual: re-planning
sees no past but what the request carries, so a request after the first step holds the first view and the
executed steps as action text (DESIGN, "sequence of control").

Refuses to know environments: it takes arrays, strings and mappings. The wordings live in `templates.yaml`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from policies.embodiments.vima import locations_text, numbered
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Request

STYLE_FILE = "policy.json"
VIEWS = ("front", "top")

# What of a 128x256 view holds the table, in pixels: rows, columns. Top: the mat without the light rim. Front:
# the mat and whatever stands up to 0.1 m high on its far edge.
_TABLE = {"top": (slice(2, 126), slice(4, 252)), "front": (slice(16, 126), slice(4, 252))}
# Where a camera sees the point on which placeholder objects stand.
_CENTRE = {"top": (64, 128), "front": (64, 128)}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PromptStyle:
    """How requests look. Stored beside a checkpoint, because a model answers only what it was trained on."""

    views: tuple[str, ...] = VIEWS
    """Cameras of the observation and of scene placeholders, stacked from top to bottom."""
    crop_to_mat: bool = False
    """Cut away what lies beside the work mat."""
    object_view: str = "front"
    """Camera of object placeholders."""
    object_crop: int = 128
    """Side of the square around the image centre that is kept of an object placeholder, pixels of 128x256."""
    object_names: bool = False
    """Write "texture object" instead of showing an object placeholder ("pure text"); scenes stay images."""
    object_boxes: bool = False
    """Tell boxes and names of the objects on the table, in the form of `boxes_target` ("boxes as input")."""
    memory: bool = True
    """After the first step, carry the first view and the executed steps."""
    told_steps: int = 8
    """Most executed steps that are told, the latest ones; keeps long episodes within the text length."""
    wording: str = "paper"
    """Key of `templates.yaml`: paper or short."""
    max_history: int = 8
    """Most images beside the observation."""

    def __post_init__(self) -> None:
        unknown = [view for view in (*self.views, self.object_view) if view not in VIEWS]
        if unknown or not self.views:
            raise UIO2Error(
                f"prompt style: views {self.views}, object_view {self.object_view!r}; choose from {VIEWS}"
            )
        if not 8 <= self.object_crop <= 128:
            raise UIO2Error(f"prompt style: object_crop={self.object_crop}; use 8 to 128 pixels")
        if self.wording not in _templates():
            raise UIO2Error(
                f"prompt style: wording {self.wording!r} is unknown; use one of {sorted(_templates())}"
            )
        if self.told_steps < 1:
            raise UIO2Error(f"prompt style: told_steps={self.told_steps}; use at least 1, or memory=False")
        if not 0 <= self.max_history <= 8:
            raise UIO2Error(f"prompt style: max_history={self.max_history}; the model has 8 image markers")

    @classmethod
    def nano(cls) -> PromptStyle:
        """The small model's style: the mat from above, small prompt crops, few words."""
        return cls(views=("top",), crop_to_mat=True, object_view="top", object_crop=64, wording="short")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**dataclasses.asdict(self), "views": list(self.views)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PromptStyle:
        """Inverse of `to_dict`; an unknown key or a value of another kind is an error."""
        known = {field.name: field.default for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise UIO2Error(f"prompt style: unknown keys {unknown}; known are {sorted(known)}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        for key, value in values.items():
            if type(value) is not type(known[key]):
                raise UIO2Error(f"prompt style: {key} takes values like {known[key]!r}, found {value!r}")
        return cls(**values)

    def save(self, directory: str | Path) -> None:
        """Write `policy.json` into a checkpoint directory."""
        Path(directory, STYLE_FILE).write_text(json.dumps({"prompt": self.to_dict()}, indent=2) + "\n")

    @classmethod
    def load(cls, directory: str | Path) -> PromptStyle:
        """Read the style of a checkpoint directory; the default where there is none (official ones)."""
        path = Path(directory, STYLE_FILE)
        if not path.is_file():
            return cls()
        try:
            return cls.from_dict(json.loads(path.read_text())["prompt"])
        except (ValueError, KeyError, TypeError) as error:
            raise UIO2Error(
                f"{path} does not describe a prompt style ({error!r}); write it anew with PromptStyle.save"
            ) from None


def action_request(
    prompt: str,
    prompt_assets: Mapping[str, Any],
    end_effector: int,
    rgb: Mapping[str, np.ndarray],
    first_rgb: Mapping[str, np.ndarray] | None = None,
    executed: Sequence[str] = (),
    style: PromptStyle | None = None,
    rng: np.random.Generator | None = None,
    objects: Sequence[Mapping[str, Any]] | None = None,
) -> Request:
    """Ask for the plan, or for what remains of it.

    Parameters
    ----------
    prompt, prompt_assets
        As in the environment's info: `{name}` in the prompt stands for `prompt_assets[name]`
        (vima_bench.md §7).
    end_effector
        0 suction, 1 spatula.
    rgb
        The present view of each camera, uint8 (3, 128, 256) or (128, 256, 3).
    first_rgb
        The first observation's views; used when steps were executed and an image marker is left.
    executed
        Action texts of the executed steps; they are numbered from 0 here.
    rng
        Draws one of the wordings; None takes the first.
    objects
        What lies on the table, as in `boxes_target`; read by styles that tell boxes, which need it.

    Raises
    ------
    UIO2Error
        A placeholder has no asset, an asset no image, there are more prompt images than markers, or the style
        tells boxes and there are no objects to tell.
    """
    style = style or PromptStyle()
    words = _templates()[style.wording]
    text, history = _instruction(prompt, prompt_assets, style)
    if executed and style.memory:
        if first_rgb is not None and len(history) < style.max_history:
            history.append(_scene(first_rgb, style))
            text += " " + words["memory"]["view"].format(j=len(history))
        steps = [numbered(step, number) for number, step in enumerate(executed)][-style.told_steps :]
        text += " " + words["memory"]["steps"].format(steps=" ".join(steps))
    form, tool = words["forms"][int(end_effector)], words["tools"][int(end_effector)]
    text = _draw(words["actions"], rng).format(instruction=text, tool=tool, form=form)
    if style.object_boxes:
        if objects is None:
            raise UIO2Error("this prompt style tells the boxes of objects: hand in objects=")
        text += " " + _draw(words["told_boxes"], rng).format(boxes=boxes_target(objects, style))
    return Request(text=text, image=_scene(rgb, style), image_history=tuple(history))


def boxes_request(
    rgb: Mapping[str, np.ndarray], style: PromptStyle | None = None, rng: np.random.Generator | None = None
) -> Request:
    """Ask for the boxes and names of all objects; images as in `action_request`."""
    style = style or PromptStyle()
    return Request(text=_draw(_templates()[style.wording]["boxes"], rng), image=_scene(rgb, style))


def boxes_target(objects: Sequence[Mapping[str, Any]], style: PromptStyle | None = None) -> str:
    """Write the answer to `boxes_request`: per object `y1 x1 y2 x2 texture name`, numbers as location tokens.

    Boxes are those of the style's last camera (top, wherever it is used), in the coordinates of the request's
    image: 0…1 from its first to behind its last row or column, /999. Objects come from left to right by the
    centre of their boxes, ties from top to bottom; a fixed order is easier to learn than UIO-2's shuffled
    one. Objects that the camera does not see are left out.

    Parameters
    ----------
    objects
        Mappings with `name`, `texture` and `boxes`: per view [row0, col0, row1, col1], inclusive pixels of
        128x256, or None.
    """
    style = style or PromptStyle()
    found = []
    for thing, box in zip(objects, image_boxes(objects, style), strict=True):
        if not np.isnan(box).any():
            centre = (box[1] + box[3], box[0] + box[2])
            found.append((*centre, f"{locations_text(box)} {object_name(thing['texture'], thing['name'])}"))
    return " ".join(text for _, _, text in sorted(found))


def image_boxes(objects: Sequence[Mapping[str, Any]], style: PromptStyle | None = None) -> np.ndarray:
    """Return where objects are in the request's image: float64 [objects, 4], y0 x0 y1 x1 / its sides.

    Each runs from its first to behind its last row or column in the style's last camera; an object that this
    camera does not see has four nan. `objects` as in `boxes_target`.
    """
    style = style or PromptStyle()
    view = style.views[-1]
    rows, cols = _kept(view, style)
    above = sum(_height(other, style) for other in style.views[:-1])
    kept = np.array([rows.stop - rows.start, cols.stop - cols.start])
    boxes = np.full((len(objects), 4), np.nan)
    for index, thing in enumerate(objects):
        box = thing["boxes"].get(view)
        if box is None:
            continue
        low = np.clip((box[0] - rows.start, box[1] - cols.start), 0, kept)
        high = np.clip((box[2] + 1 - rows.start, box[3] + 1 - cols.start), 0, kept)
        if (high > low).all():
            size = kept + (above, 0)
            boxes[index] = np.concatenate([(low + (above, 0)) / size, (high + (above, 0)) / size])
    return boxes


def seen_boxes(ids: Sequence[int], segmentation: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return where cameras see objects: of each id, its box by view.

    A box is [first row, first column, last row, last column], inclusive pixels; None where nothing of the
    object is seen. `segmentation` holds (H, W) uint8 of object ids by view.
    """
    slices = {view: ndimage.find_objects(segmentation[view]) for view in VIEWS}

    def box(view: str, number: int) -> list[int] | None:
        found = slices[view][number - 1] if 0 < number <= len(slices[view]) else None
        return found and [found[0].start, found[1].start, found[0].stop - 1, found[1].stop - 1]

    return [{view: box(view, int(number)) for view in VIEWS} for number in ids]


def named_prompt(prompt: str, prompt_assets: Mapping[str, Any]) -> str:
    """Return the prompt with the names of single objects in the place of their pictures; scenes stay.

    `Put the {dragged_obj} as in {scene}.` becomes `Put the red block as in {scene}.`
    """

    def name(match: re.Match) -> str:
        asset = prompt_assets[match[1]]
        if asset["placeholder_type"] == "scene":
            return match[0]
        shown = asset["segm"]["obj_info"]
        return object_name(shown["obj_color"], shown["obj_name"])

    return _PLACEHOLDER.sub(name, prompt)


def object_name(texture: str, name: str) -> str:
    """Return what an object is called in texts: "texture name"."""
    return f"{texture} {name}"


def _instruction(prompt: str, assets: Mapping[str, Any], style: PromptStyle) -> tuple[str, list[np.ndarray]]:
    """The prompt with markers or names for its placeholders, and the images of the markers in order."""
    markers: dict[str, str] = {}
    images: list[np.ndarray] = []

    def replace(match: re.Match) -> str:
        name = match[1]
        if name not in assets:
            raise UIO2Error(f"the prompt shows {{{name}}}, but prompt_assets holds only {sorted(assets)}")
        if name not in markers:
            asset = assets[name]
            if asset["placeholder_type"] == "scene":
                images.append(_scene(asset["rgb"], style))
                markers[name] = f"<image_history_{len(images)}>"
            elif style.object_names:
                shown = asset["segm"]["obj_info"]
                markers[name] = object_name(shown["obj_color"], shown["obj_name"])
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


def _scene(rgb: Mapping[str, np.ndarray], style: PromptStyle) -> np.ndarray:
    """The style's views of a scene stacked, (H, W, 3)."""
    return np.concatenate([_image(rgb, view)[_kept(view, style)] for view in style.views])


def _object(rgb: Mapping[str, np.ndarray], style: PromptStyle) -> np.ndarray:
    """The square around the single object of a placeholder, (S, S, 3)."""
    row, col = _CENTRE[style.object_view]
    half, rest = style.object_crop // 2, style.object_crop - style.object_crop // 2
    return _image(rgb, style.object_view)[row - half : row + rest, col - half : col + rest]


def _image(rgb: Mapping[str, np.ndarray], view: str) -> np.ndarray:
    """One camera's picture as (128, 256, 3)."""
    if view not in rgb:
        raise UIO2Error(
            f"the prompt style needs the {view} view, the images are {sorted(rgb)}; make the env with it"
        )
    image = np.asarray(rgb[view])
    if image.shape == (3, 128, 256):
        image = image.transpose(1, 2, 0)
    if image.shape != (128, 256, 3) or image.dtype != np.uint8:
        raise UIO2Error(f"the {view} view must be uint8 (3, 128, 256), got {image.dtype} {image.shape}")
    return image


def _kept(view: str, style: PromptStyle) -> tuple[slice, slice]:
    return _TABLE[view] if style.crop_to_mat else (slice(0, 128), slice(0, 256))


def _height(view: str, style: PromptStyle) -> int:
    rows, _ = _kept(view, style)
    return rows.stop - rows.start


def _draw(wordings: Sequence[str], rng: np.random.Generator | None) -> str:
    return wordings[0] if rng is None else wordings[int(rng.integers(len(wordings)))]


@cache
def _templates() -> dict[str, Any]:
    import yaml  # comes with hydra; not needed to act on a style that is never used

    return yaml.safe_load(Path(__file__).with_name("templates.yaml").read_text(encoding="utf-8"))
