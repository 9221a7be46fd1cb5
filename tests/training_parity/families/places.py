"""Boxes in text, and boxes through a resize and back."""

import numpy as np

from tests.parity.postprocess import placement_of
from tests.training_parity.compare import Check, Errors, Values, different, distance
from uio2_agent import labels
from uio2_agent.media.geometry import Placement

_YXYX = [1, 0, 3, 2]


def check_boxes_to_text(case: Values) -> Errors:
    boxes = np.array(case["boxes_yxyx_pixels"]).reshape(-1, 4)[:, _YXYX]
    square = Placement.fit((case["image_size"],) * 2, (case["image_size"],) * 2)
    return {
        "text": different(case["text"], labels.write_boxes(boxes, square, case["labels"])),
        "text_comma": different(case["text_comma"], labels.write_boxes(boxes, square, case["labels"], " , ")),
    }


def check_text_to_boxes(case: Values) -> Errors:
    """Compare boxes as the released parser reads them, a bin as one of 1000."""
    values, names = labels.read_labelled_values(case["text"], 4, released=True)
    square = Placement.fit((384, 384), (384, 384))
    boxes = labels.read_boxes(case["text"], square, released=True)[:, _YXYX]
    return {
        "labels": different(case["labels"], names),
        "boxes": distance(np.reshape(case["boxes"], (-1, 4)), values),
        "boxes_nolabel_384": distance(np.reshape(case["boxes_nolabel_384"], (-1, 4)), boxes),
    }


def check_resize(case: Values) -> Errors:
    """Compare what a resize covers, which boxes stay and where, and its record (1e-3 of what it holds)."""
    original = case["h"], case["w"]
    placement = Placement.fit(original, tuple(case["out_shape"][:2]))
    given = np.reshape(case["boxes_unit_yxyx"], (-1, 4)) * np.tile(original, 2)
    boxes = placement.to_square(given)
    kept = labels.nonempty(boxes)
    inside = {
        f"valid_{name}": different(case[f"valid_{name}"], [part.start, part.stop - 1])
        for name, part in zip(("rows", "cols"), placement.inside, strict=True)
    }
    return inside | {
        "kept": different(case["kept"], np.flatnonzero(kept)),
        "boxes_out": distance(np.reshape(case["boxes_out"], (-1, 4)), boxes[kept]),
        "image_info": distance(case["image_info"], placement.official()),
    }


def check_undone(case: Values) -> Errors:
    placement = placement_of(np.array(case["image_info"]))
    return {"out": distance(case["out"], placement.to_picture(np.array(case["boxes"])))}


CHECKS = {
    "boxes_to_text": Check(check_boxes_to_text),
    "text_to_boxes": Check(check_text_to_boxes, 1e-9),
    "resize_boxes": Check(check_resize, 1e-3),
    "undo_box_preprocessing": Check(check_undone, 1e-3),
}
