"""Masks of regions as data sets keep them: pictures of numbers, and COCO's run lengths (Segment Anything)."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image


def from_picture(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """Return masks bool [regions, height, width] of a picture whose value k marks region k − 1; 0 is none.

    Raises ValueError where it is no picture of one channel and this size.
    """
    with Image.open(io.BytesIO(content)) as picture:
        values = np.asarray(picture)
    if values.shape != size:
        raise ValueError(f"its masks are {list(values.shape)}, its image {list(size)}")
    return values == np.arange(1, int(values.max()) + 1).reshape(-1, 1, 1)


def from_annotations(items: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> np.ndarray:
    """Return masks bool [regions, height, width] of a list with `segmentation`: {size, counts} in each.

    Raises ValueError where one is of another size or does not fill it.
    """
    return (
        np.stack([_run_lengths(item["segmentation"], size) for item in items])
        if items
        else (np.zeros((0, *size), bool))
    )


def boxes_of(masks: np.ndarray | None) -> np.ndarray:
    """Return the boxes float32 [regions, 4] y1 x1 y2 x2 around masks; ValueError where one is empty."""
    if masks is None:
        raise ValueError("it has neither boxes nor masks")
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            raise ValueError("one of its masks is empty")
        boxes.append((rows[0], columns[0], rows[-1] + 1, columns[-1] + 1))
    return np.array(boxes, np.float32).reshape(-1, 4)


def _run_lengths(stored: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """Columns first, runs of 0 and 1 in turn, beginning with 0."""
    counts = stored["counts"]
    runs = np.array(_unpacked(counts) if isinstance(counts, str | bytes) else counts, np.int64)
    if tuple(stored["size"]) != size or (runs < 0).any() or runs.sum() != size[0] * size[1]:
        raise ValueError(f"a mask of {stored['size']} with {runs.sum()} pixels in an image of {list(size)}")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(size[1], size[0]).T


def _unpacked(text: str | bytes) -> list[int]:
    """Run lengths of COCO's text: five bits a character from code 48, the sixth says that more follow; from
    the fourth run on, each is the difference to the run two before. Source: COCO's mask format.
    """
    runs: list[int] = []
    value = shift = 0
    for code in text.encode() if isinstance(text, str) else text:
        bits = code - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("a mask's run lengths are cut off")
    return runs
