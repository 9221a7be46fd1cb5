"""Postprocessing: locations, boxes and joints of an answer, pictures to their size, logits processors."""

import numpy as np
import torch

from tests.parity.compare import Case, Errors, different, distance
from uio2_agent import labels
from uio2_agent.generation.guidance import guide
from uio2_agent.generation.logits_processors import BoxesProcessor, keypoint_template
from uio2_agent.labels.boxes import values_to_boxes
from uio2_agent.media.geometry import Placement
from uio2_agent.text.vocabulary import Vocabulary

OFFICIAL = Vocabulary(32_000)
SQUARE = (384, 384)
THRESHOLDS = (0.5, 0.3)
"""Officially of the box rule, for detection and localisation; a case does not say which: either may fit."""


def check_postprocess(case: Case) -> Errors:
    """Compare every entry of the json and the npz file."""
    return {
        **_locations(case),
        **_boxes(case),
        **_keypoints(case),
        **_pictures(case),
        **_logits_processors(case),
    }


def placement_of(info: np.ndarray) -> Placement:
    """Read the official record of a resize; records that leave the scaled size at 0 get it from the scale."""
    top, left, inverse, height, width = (float(number) for number in info[:5])
    scaled = [int(np.float32(side) / np.float32(inverse)) for side in (height, width)]
    return Placement(
        (int(height), int(width)), SQUARE, 1 / inverse, (scaled[0], scaled[1]), (int(top), int(left))
    )


def _locations(case: Case) -> Errors:
    tokens, texts = case.json["token_to_float"], case.json["extra_id_to_float"]
    written = case.json["values_to_tokens"]
    found = {token: labels.ids_to_values([int(token)], OFFICIAL, 1)[0, 0] for token in tokens}
    read = {index: labels.read_values(f"<extra_id_{index}>", 1)[0, 0] for index in texts}
    return {
        "token_to_float": max(abs(found[token] - value) for token, value in tokens.items()),
        "extra_id_to_float": max(abs(read[index] - value) for index, value in texts.items()),
        "values_to_tokens": float(
            sum(labels.write_values(np.array([[entry["v"]]])) != entry["token"] for entry in written)
        ),
    }


def _boxes(case: Case) -> Errors:
    extracted = [
        distance(_rows(entry["boxes"], 4), labels.ids_to_values(entry["tokens"], OFFICIAL, 4))
        for entry in case.json["extract_locations"]
    ]
    undo, labelled = case.json["undo_box"], case.json["labelled_boxes"]
    placement = placement_of(np.array(undo["info"]))
    boxes = values_to_boxes(_rows(undo["boxes"], 4) / 384, placement)
    values, names = labels.read_labelled_values(labelled["text"], 4)
    return {
        "extract_locations": max(extracted),
        "undo_box": distance(_rows(undo["out"], 4), boxes[:, [1, 0, 3, 2]]),
        "labelled_boxes/boxes": distance(_rows(labelled["boxes"], 4), values),
        # The official reader keeps the space before the next box; ours strips it.
        "labelled_boxes/labels": float([label.strip() for label in labelled["labels"]] != names),
    }


def _keypoints(case: Case) -> Errors:
    errors: Errors = {}
    whole = case.json["keypoints_full"]
    for name in ("keypoints_full", "keypoints_partial"):
        entry = case.json[name]
        placement = placement_of(np.array(entry.get("info", whole["info"])))
        found = labels.read_keypoints(entry["text"], placement)
        errors[f"{name}/points"] = distance(_rows(entry["points"], 3), found.points)
        errors[f"{name}/invalid"] = float(found.complete == entry["invalid"])
    return errors


def _pictures(case: Case) -> Errors:
    arrays, errors = case.arrays, {}
    image = arrays["in/image_f16"].astype(np.float32)
    for name in sorted({key.split("/")[1] for key in arrays if key.endswith("/info")}):
        original = tuple(int(side) for side in arrays[f"in/{name}/info"][3:5])
        colour = labels.to_uint8(labels.official_restore(image, original))
        grey = labels.official_restore(image, original).mean(-1, keepdims=True)
        errors[f"{name}/color_u8"] = different(arrays[f"out/{name}/color_u8"], colour)
        errors[f"{name}/gray"] = distance(arrays[f"out/{name}/gray"], grey)
    return errors


def _logits_processors(case: Case) -> Errors:
    arrays = case.arrays
    scores, scale = torch.from_numpy(arrays["in/cfg_scores"]), float(arrays["in/cfg_alpha"])
    half = len(scores) // 2
    errors = {
        # The official processor writes the guided scores over both halves.
        "cfg_scores": distance(arrays["out/cfg_scores"], guide(*scores.split(half), scale).repeat(2, 1)),
        "keypoint_template": different(
            arrays["out/keypoint_template"],
            keypoint_template(case.tokenizer()),
        ),
    }
    return errors | min(
        (_boxes_processor(arrays, threshold) for threshold in THRESHOLDS),
        key=lambda found: sum(found.values()),
    )


def _boxes_processor(arrays: dict[str, np.ndarray], threshold: float) -> Errors:
    errors: Errors = {}
    base = torch.from_numpy(arrays["in/boxes_base_f16"].astype(np.float32))[None]
    process = BoxesProcessor(OFFICIAL, threshold, need_token=True)
    without = base.clone()
    without[:, torch.from_numpy(OFFICIAL.location_ids)] = -100.0
    for name, logits in (("boxes_loc", base), ("boxes_noloc", without)):
        first, later = process(logits, [[]]), process(logits, [[OFFICIAL.location(0)]])
        found = {
            "changed_count": (first != logits).sum(),
            "argmax": first.argmax(-1),
            "eos_score": first[:, OFFICIAL.eos],
            "changed_count_later": (later != logits).sum(),
        }
        for entry, value in found.items():
            errors[f"{name}/{entry}"] = distance(arrays[f"out/{name}/{entry}"], value)
    return errors


def _rows(rows: list, width: int) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, width)
