"""Regions with names in an image, as an instruction asks for them: boxes, points, classes, counts, masks.

One family is drawn of those that the record has labels for. Boxes of an answer come in any order. Source:
Unified-IO 2 (arXiv 2312.17172), section 5 and appendix on sparse and dense labelling; weights are ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, label, pick
from pretrain.samples.places import box_text, boxes_text, points_text
from pretrain.samples.sample import Hidden, Sample
from pretrain.sources.records import RegionsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.labels.pictures import mask_picture
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]
_LEAST_HOLE = 0.1


@dataclass(frozen=True, kw_only=True)
class RegionsOptions:
    """Weights of the families; of those that a record has labels for, one is drawn."""

    detect: Rate = 1.0
    """Boxes of the classes told: some that are there, and all."""
    detect_all: Rate = 1.0
    locate: Rate = 1.0
    """Boxes of one class."""
    point: Rate = 1.0
    count: Rate = 1.0
    region_class: Rate = 1.0
    mask_of_named_box: Rate = 1.0
    mask_of_class: Rate = 1.0
    image_from_mask: Rate = 1.0
    inpaint: Rate = 1.0
    """Of boxes over more than a tenth of the image."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: RegionsRecord, rng: np.random.Generator, options: RegionsOptions, context: Context
) -> Sample:
    """Draw a family and ask."""
    names = [label(name) for name in record.names]
    named = bool(names) and all(names)
    masked = named and record.masks is not None and record.masks.any()
    pictures = "image" in context.config.target_modalities
    possible = {
        **dict.fromkeys(("detect", "detect_all", "locate", "point", "count", "region_class"), named),
        **dict.fromkeys(("mask_of_named_box", "mask_of_class", "image_from_mask"), masked and pictures),
        "inpaint": pictures and len(_holes(record)) > 0,
    }
    weights = {field.name: getattr(options, field.name) * possible[field.name] for field in fields(options)}
    return _FAMILIES[pick(weights, rng)](record, names, rng, context)


Family = Callable[[RegionsRecord, list[str], np.random.Generator, Context], Sample]


def _detect(record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context) -> Sample:
    classes = sorted(set(names))
    kept = [str(name) for name in rng.permutation(classes)[: int(rng.integers(1, len(classes) + 1))]]
    text = context.prompts.draw("detect", rng, classes=", ".join(kept))
    found = [index for index, name in enumerate(names) if name in kept]
    return _boxes(record, found, names, text, rng, context)


def _detect_all(
    record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context
) -> Sample:
    text = context.prompts.draw("detect_all", rng)
    return _boxes(record, list(range(len(names))), names, text, rng, context)


def _locate(record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context) -> Sample:
    name, found = _one_class(names, rng)
    return _boxes(record, found, None, context.prompts.draw("locate", rng, name=name), rng, context)


def _boxes(
    record: RegionsRecord,
    found: list[int],
    names: list[str] | None,
    text: str,
    rng: np.random.Generator,
    context: Context,
) -> Sample:
    found = [int(index) for index in rng.permutation(found)]
    written = None if names is None else [names[index] for index in found]
    answer = boxes_text(record.boxes[found], record.image, context, written)
    return Sample(Request(text, image=record.image), Target(text=answer))


def _point(record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context) -> Sample:
    name, found = _one_class(names, rng)
    boxes = record.boxes[rng.permutation(found)].astype(float)
    middles = np.stack([boxes[:, [1, 3]].mean(1), boxes[:, [0, 2]].mean(1)], axis=1)
    text = context.prompts.draw("point", rng, name=name)
    return Sample(Request(text, image=record.image), Target(text=points_text(middles, record.image, context)))


def _count(record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context) -> Sample:
    name, found = _one_class(names, rng)
    text = context.prompts.draw("count", rng, name=name)
    return Sample(Request(text, image=record.image), Target(text=str(len(found))))


def _region_class(
    record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context
) -> Sample:
    index = int(rng.integers(len(names)))
    box = box_text(record.boxes[index], record.image, context)
    text = context.prompts.draw("region_class", rng, box=box)
    return Sample(Request(text, image=record.image), Target(text=names[index]))


def _mask_of_named_box(
    record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context
) -> Sample:
    index = _masked(record, rng)
    box = box_text(record.boxes[index], record.image, context)
    text = context.prompts.draw("mask_of_named_box", rng, box=box, name=names[index])
    return Sample(Request(text, image=record.image), Target(image=mask_picture(record.masks[index])))


def _mask_of_class(
    record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context
) -> Sample:
    name = names[_masked(record, rng)]
    text = context.prompts.draw("mask_of_class", rng, name=name)
    return Sample(Request(text, image=record.image), Target(image=mask_picture(_mask(record, names, name))))


def _image_from_mask(
    record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context
) -> Sample:
    name = names[_masked(record, rng)]
    text = context.prompts.draw("image_from_mask", rng, name=name)
    request = Request(text, image=mask_picture(_mask(record, names, name)))
    return Sample(request, Target(image=record.image))


def _inpaint(record: RegionsRecord, names: list[str], rng: np.random.Generator, context: Context) -> Sample:
    """Hide a box from the encoder: all patches that show any of it."""
    box = record.boxes[rng.choice(_holes(record))]
    text = context.prompts.draw("inpaint", rng, box=box_text(box, record.image, context))
    grid, size = context.config.image_grid, context.config.image_size
    square = context.placement(record.image).to_square(np.asarray(box, float))
    patches = square.reshape(2, 2) * np.array(grid) / size  # top left, bottom right
    (top, left), (bottom, right) = np.floor(patches[0]).astype(int), np.ceil(patches[1]).astype(int)
    hidden = np.zeros(grid, bool)
    hidden[max(top, 0) : bottom, max(left, 0) : right] = True
    return Sample(Request(text, image=record.image), Target(image=record.image), "R", Hidden(image=hidden))


_FAMILIES: Mapping[str, Family] = {
    "detect": _detect,
    "detect_all": _detect_all,
    "locate": _locate,
    "point": _point,
    "count": _count,
    "region_class": _region_class,
    "mask_of_named_box": _mask_of_named_box,
    "mask_of_class": _mask_of_class,
    "image_from_mask": _image_from_mask,
    "inpaint": _inpaint,
}


def _one_class(names: list[str], rng: np.random.Generator) -> tuple[str, list[int]]:
    """One of the classes, and the regions of it."""
    classes = sorted(set(names))
    name = classes[int(rng.integers(len(classes)))]
    return name, [index for index, each in enumerate(names) if each == name]


def _masked(record: RegionsRecord, rng: np.random.Generator) -> int:
    """A region whose mask is not empty."""
    return int(rng.choice([index for index, mask in enumerate(record.masks) if mask.any()]))


def _mask(record: RegionsRecord, names: list[str], name: str) -> np.ndarray:
    """The masks of a class together, bool (H, W)."""
    return record.masks[[index for index, each in enumerate(names) if each == name]].any(axis=0)


def _holes(record: RegionsRecord) -> list[int]:
    """Boxes over more than a tenth of the image."""
    height, width = record.image.shape[:2]
    sides = record.boxes[:, 2:] - record.boxes[:, :2]
    return np.flatnonzero(sides.prod(axis=1) > _LEAST_HOLE * height * width).tolist()
