"""Random scale and crop of a record's images, with the labels that lie in them.

As in Unified-IO 2's training (arXiv 2312.17172, released pre-processing): a picture is scaled to a factor
drawn of the model's square, by the smaller of the ratios of the two sides, or with probability `covering` by
the larger; of what is then larger than the square a part at random is seen. Ours: the part is cut before the
processor fits it into the square, so a picture is never drawn smaller than the square, and the kernel of
resizing is not varied. Answers that depend on the whole picture (questions, edits, 3-D boxes, camera poses,
tracks, videos, episodes) are left as they are; so is a record of which no label would be left.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from pretrain.sources.records import (
    DenseRecord,
    DocumentRecord,
    FlowRecord,
    ImageTextRecord,
    PairsRecord,
    PeopleRecord,
    RegionsRecord,
    RelationsRecord,
    TagsRecord,
)
from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range, check_fields

_LEAST_SIDE = 64
"""Pixels to which a side is scaled at least."""
_LEAST_SEEN = 0.25
"""Part of a box that must be left for its label to stay."""


@dataclass(frozen=True)
class Window:
    """A part of a picture, in pixels; bottom and right are not included."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """Cut it out of a picture, or of anything with the picture's rows and columns first."""
        return image[self.top : self.bottom, self.left : self.right]

    def boxes(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes [n, 4] y1 x1 y2 x2 as they lie in it, and which [n] are seen enough to stay."""
        offset = np.array([self.top, self.left] * 2, boxes.dtype)
        most = np.array([self.bottom - self.top, self.right - self.left] * 2, boxes.dtype)
        moved = (boxes - offset).clip(0, most)
        before, after = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, moved))
        return moved, after > np.maximum(_LEAST_SEEN * before, 0)


@dataclass(frozen=True, kw_only=True)
class RandomScale:
    """How pictures are scaled and cut."""

    smallest: Annotated[float, Range(0.1, 10)] = 0.75
    largest: Annotated[float, Range(0.1, 10)] = 4 / 3
    """Sides of the square to which a picture is scaled."""
    covering: Annotated[float, Range(0, 1)] = 0.5
    """How often the shorter side is what fills the square."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.smallest > self.largest:
            raise UIO2Error(f"smallest={self.smallest} is above largest={self.largest}: swap them")

    def window(self, size: tuple[int, int], square: tuple[int, int], rng: np.random.Generator) -> Window:
        """Draw which part of a picture of a size (height, width) is seen in a square (height, width)."""
        factor = rng.uniform(self.smallest, self.largest)
        ratios = factor * np.array(square) / np.array(size)
        ratio = ratios.max() if rng.random() < self.covering else ratios.min()
        scaled = np.maximum(_LEAST_SIDE, ratio * np.array(size))
        seen = np.maximum(1, np.rint(np.array(size) * np.minimum(1, np.array(square) / scaled))).astype(int)
        top, left = (int(rng.integers(0, spare + 1)) for spare in np.array(size) - seen)
        return Window(top, left, top + int(seen[0]), left + int(seen[1]))

    def __call__(self, record: Any, square: tuple[int, int], rng: np.random.Generator) -> Any:
        """Return a record with its pictures cut for a model's square; of another kind, the record itself."""

        def draw(image: np.ndarray) -> Window:
            return self.window(image.shape[:2], square, rng)

        cut = _CUTS.get(type(record))
        return record if cut is None else cut(record, draw)


Draw = Callable[[np.ndarray], Window]


def _image(record: Any, draw: Draw) -> Any:
    return replace(record, image=draw(record.image).of(record.image))


def _pairs(record: PairsRecord, draw: Draw) -> PairsRecord:
    return PairsRecord(tuple(_image(pair, draw) for pair in record.pairs))


def _document(record: DocumentRecord, draw: Draw) -> DocumentRecord:
    return DocumentRecord(
        tuple(part if isinstance(part, str) else draw(part).of(part) for part in record.parts)
    )


def _regions(record: RegionsRecord, draw: Draw) -> RegionsRecord:
    window = draw(record.image)
    boxes, stays = window.boxes(record.boxes)
    masks = record.masks
    if masks is not None:
        masks = masks[:, window.top : window.bottom, window.left : window.right]
        stays &= masks.any((1, 2))
    if not stays.any():
        return record
    names = tuple(name for name, stay in zip(record.names, stays, strict=False) if stay)
    return RegionsRecord(
        window.of(record.image), boxes[stays], names, None if masks is None else masks[stays]
    )


def _relations(record: RelationsRecord, draw: Draw) -> RelationsRecord:
    window = draw(record.image)
    boxes, stays = window.boxes(record.boxes)
    number = np.cumsum(stays) - 1
    left = tuple(
        (int(number[first]), word, int(number[second]))
        for first, word, second in record.relations
        if stays[first] and stays[second]
    )
    return RelationsRecord(window.of(record.image), boxes[stays], left) if left else record


def _people(record: PeopleRecord, draw: Draw) -> PeopleRecord:
    window = draw(record.image)
    boxes, stays = window.boxes(record.boxes)
    joints = record.joints.copy()
    joints[..., :2] -= window.left, window.top
    most = window.right - window.left, window.bottom - window.top
    joints[..., 2] *= ((joints[..., :2] >= 0) & (joints[..., :2] < most)).all(-1)
    stays &= (joints[..., 2] > 0).any(1)
    return PeopleRecord(window.of(record.image), boxes[stays], joints[stays]) if stays.any() else record


def _dense(record: DenseRecord, draw: Draw) -> DenseRecord:
    window = draw(record.image)
    known = {name: getattr(record, name) for name in ("depth", "normals")}
    cut = {name: None if value is None else window.of(value) for name, value in known.items()}
    return replace(record, image=window.of(record.image), **cut)


def _flow(record: FlowRecord, draw: Draw) -> FlowRecord:
    window = draw(record.before)
    parts = {name: window.of(getattr(record, name)) for name in ("before", "after", "flow")}
    return replace(record, **parts)


_CUTS: dict[type, Callable[[Any, Draw], Any]] = {
    ImageTextRecord: _image,
    TagsRecord: _image,
    PairsRecord: _pairs,
    DocumentRecord: _document,
    RegionsRecord: _regions,
    RelationsRecord: _relations,
    PeopleRecord: _people,
    DenseRecord: _dense,
    FlowRecord: _flow,
}
