"""What is done before the model sees anything: sounds, pictures, whole requests, the text tokenizer."""

import warnings

import numpy as np
import torch

from tests.parity.compare import Case, Errors, different, distance
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor
from uio2_agent.labels import boxes as labels
from uio2_agent.media import images, video
from uio2_agent.media.audio import read_audio, segment_count, segments
from uio2_agent.media.geometry import Placement
from uio2_agent.media.spectrogram import LOWEST, RATE, mel_filters
from uio2_agent.request import Request, Target


def check_audio(case: Case) -> Errors:
    """Compare spectrograms of a wave cut in three ways, the filter bank, and numbers of segments.

    Power is compared as a part of its largest value, and once more as the logarithm that the model sees.
    """
    arrays = case.arrays
    wave = read_audio(arrays["in/wave_int16"], RATE)
    counts = [segment_count(float(seconds)) for seconds in arrays["in/lengths"]]
    errors = {
        "mel_filterbank": distance(arrays["out/mel_filterbank"], mel_filters()),
        "num_segments_4p08": different(arrays["out/num_segments_4p08"], np.array(counts)),
    }
    for name, seconds in (("", 4.08), ("short_", 1.86), ("long_", 4.65)):
        found = segments(wave, seconds).transpose(0, 2, 1)  # [segments, mel, time]
        shape = arrays[f"out/{name}segments_shape"]
        errors[f"{name}segments_shape"] = different(shape, np.array(found.shape))
        for array, index in _segments_of(arrays, name).items():
            power = arrays[f"out/{array}"]
            logarithms = (np.log(values.clip(LOWEST)) for values in (power, found[index]))
            errors[array] = distance(power, found[index]) / float(max(1.0, power.max()))
            errors[f"log {array}"] = distance(*logarithms)
    return errors


def _segments_of(arrays: dict[str, np.ndarray], name: str) -> dict[str, int]:
    """Return the arrays that hold one segment of a way of cutting, and which."""
    if not name:
        return {"mel_first_segment": 0, "last_segment": -1}
    start = f"out/{name}segments_"
    numbers = (array.removeprefix(start) for array in arrays if array.startswith(start))
    return {f"{name}segments_{number}": int(number) for number in numbers if number.isdecimal()}


def check_resize_pad_small(case: Case) -> Errors:
    """Compare complete pictures, masks, records, laid-over targets and boxes, and a video."""
    arrays = case.arrays
    errors: Errors = {}
    for number in sorted(name.rpartition("/")[2] for name in arrays if name.startswith("in/image/")):
        expected = {name: arrays.get(f"out/{name}/{number}") for name in _OF_AN_IMAGE}
        image, size = arrays[f"in/image/{number}"], expected["mask"].shape
        errors |= _compare_placed(f"image/{number}", image, expected["image"], expected["mask"])
        placement = Placement.fit(image.shape[:2], size)
        errors[f"info/{number}"] = distance(expected["info"], placement.official())
        laid = images.resize_over(arrays[f"in/target/{number}"], placement, expected["target"].shape[:2])
        errors[f"target/{number}"] = distance(expected["target"], laid)
        corners = arrays[f"in/boxes_yxyx/{number}"][:, [1, 0, 3, 2]]
        inside = labels.boxes_to_values(corners, placement) * np.tile(size, 2)
        kept = np.flatnonzero(labels.nonempty(inside))
        errors[f"kept/{number}"] = different(expected["kept"], kept)
        errors[f"boxes/{number}"] = distance(expected["boxes"], inside[kept])
    frames, masks = arrays["out/video"], arrays["out/video_mask"]
    for number, frame in enumerate(arrays["in/video"]):
        errors |= _compare_placed(f"video/{number}", frame, frames[number], masks[number])
    placement = Placement.fit(arrays["in/video"].shape[1:3], masks.shape[1:])
    return errors | {"video_info": distance(arrays["out/video_info"], placement.official())}


_OF_AN_IMAGE = ("image", "mask", "info", "target", "boxes", "kept")


def _compare_placed(name: str, image: np.ndarray, pixels: np.ndarray, mask: np.ndarray) -> Errors:
    found, placement = images.resize_and_pad(image, mask.shape)
    covered = np.zeros(mask.shape, bool)
    covered[placement.inside] = True
    return {name: distance(pixels, found.transpose(1, 2, 0)), f"{name}/mask": different(mask, covered)}


def check_preprocessor(case: Case) -> Errors:
    """Compare every recorded call of the whole pre-processor, at the sizes of the large model."""
    arrays = case.arrays
    tokenizer = case.tokenizer()
    process = Processor(UnifiedIO2Config.preset("large"), tokenizer)
    errors: Errors = {}
    for call in sorted({name.split("/")[1] for name in arrays if name.startswith("out/")}):
        requests, targets = (_batch if call == "batch" else _single)(arrays, call)
        with warnings.catch_warnings(action="ignore"):  # what officially goes without a word
            batch = process(requests, targets)
        found = official_names(batch, requests, process.config)
        if call != "batch":
            found = {name: array[0] for name, array in found.items()}
        errors |= _compare_call(arrays, call, found)
    if "out/8/cropped_shape" in arrays:
        cropped = video.remove_black_bars(arrays["in/8/video"]).shape
        errors["8/cropped_shape"] = different(arrays["out/8/cropped_shape"], np.array(cropped))
    return errors


def _single(arrays: dict[str, np.ndarray], call: str) -> tuple[list[Request], list[str | Target] | None]:
    """Return the request and the target of a numbered call; call 9 takes the video and the text of call 8."""
    given = "8" if call == "9" else call
    prefix = f"in/{given}/"
    parts = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    text, image, history, heard = str(parts["text"]), parts.get("image"), (), ()
    if "box_xyxy" in parts:
        placement = Placement.fit(image.shape[:2], (384, 384))
        text = text.replace("{box}", labels.write_boxes(parts["box_xyxy"][None], placement))
    if "history0" in parts:
        history = tuple(parts[f"history{number}"] for number in range(8) if f"history{number}" in parts)
    if "video" in parts:
        frames = parts["video"][:4] if call == "9" else parts["video"]
        history = tuple(video.remove_black_bars(frames))
        if call != "9":
            *history, image = history
    if "spec" in parts:
        heard = tuple(parts["spec"].astype(np.float32).transpose(0, 2, 1))  # [segments, time, mel]
    request = Request(text, image, tuple(history), heard[-1] if heard else None, heard[:-1])
    return [request], _answer(arrays, call, parts)


def _answer(
    arrays: dict[str, np.ndarray], call: str, parts: dict[str, np.ndarray]
) -> list[str | Target] | None:
    """Return the target of a call; where only its result is recorded, it is the text of the request."""
    if "image_target" in parts:
        return [Target(image=parts["image_target"])]
    if "audio_target" in parts:
        return [Target(audio=parts["audio_target"].astype(np.float32))]
    if f"out/{call}/targets/text/targets" in arrays:
        return [str(parts.get("text_targets", parts["text"]))]
    return None


def _batch(arrays: dict[str, np.ndarray], call: str) -> tuple[list[Request], list[str]]:
    """Return the two requests of the recorded batch, which the folder's description writes out."""
    longer = Request("a much longer prompt than that", arrays["in/5/image"])
    return [Request("short"), longer], ["yes", "no it is not"]


def official_names(batch: Batch, requests: list[Request], config: UnifiedIO2Config) -> dict[str, np.ndarray]:
    """Return the arrays of a batch under the official flat keys, without the leading slash."""
    tensors: dict[str, torch.Tensor] = {}
    text = batch.text
    tensors["inputs/text/tokens"], tensors["inputs/text/mask"] = text.tokens, text.mask
    tensors["inputs/text/pos_ids"] = text.positions * text.mask
    for name in ("image", "image_history", "audio", "audio_history"):
        if (patches := getattr(batch, name)) is not None:
            tensors[f"inputs/{name}/input"] = patches.values
            tensors[f"inputs/{name}/mask"] = patches.mask
            tensors[f"inputs/{name}/pos_ids"] = patches.positions
    if (target := batch.text_target) is not None:
        tensors["targets/text/inputs"] = target.inputs * target.mask
        tensors["targets/text/targets"] = target.targets
        tensors["targets/text/pos_ids"] = target.positions * target.mask
        tensors["targets/text/mask"] = tensors["targets/text/segment_ids"] = target.mask
    for name, target in (("image", batch.image_target), ("audio", batch.audio_target)):
        if target is not None:
            tensors[f"targets/{name}/{name}"] = target.values
            tensors[f"targets/{name}/mask"] = target.mask
            tensors[f"targets/{name}/loss_mask"] = target.loss_mask
            tensors[f"targets/{name}/task_mask"] = (
                torch.zeros_like(target.mask) if target.task_mask is None else target.task_mask
            )
    found = {name: tensor.numpy() for name, tensor in tensors.items()}
    if batch.image is not None:
        found["meta/image_info"] = np.stack(
            [
                np.zeros(11, np.float32)
                if request.image is None
                else Placement.fit(request.image.shape[:2], config.image_size).official()
                for request in requests
            ]
        )
    return found


def _compare_call(arrays: dict[str, np.ndarray], call: str, found: dict[str, np.ndarray]) -> Errors:
    """Compare the arrays of a call; `name@form` holds part of an array, or what sums it up."""
    prefix = f"out/{call}/"
    expected = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix) and not name.endswith("cropped_shape")
    }
    names = {name.partition("@")[0] for name in expected}
    errors = {f"{call}/{name}": float("inf") for name in names ^ found.keys()}
    for name, array in expected.items():
        base, _, form = name.partition("@")
        if base not in found or form == "rows":
            continue
        ours = found[base]
        if "history" in base and base.endswith("pos_ids"):  # of frames that are there
            array = array[: len(ours)]
        elif "history" in base:  # official frames are padded to four
            frames = int(expected[f"{base}@shape"][0]) if form else len(array)
            ours = np.pad(ours, [(0, frames - len(ours)), *[(0, 0)] * (ours.ndim - 1)])
        errors[f"{call}/{name}"] = _compare_form(array, ours, form, expected.get(f"{base}@rows"))
    return errors


def _compare_form(array: np.ndarray, ours: np.ndarray, form: str, rows: np.ndarray | None) -> float:
    if form == "shape":
        return different(array, np.array(ours.shape))
    if form == "values":
        ours = ours[..., rows, :]
    elif form == "every9":
        ours = ours[::9, ::9]
    elif form in ("mean", "std"):
        axis = -1 if array.ndim else None
        ours = getattr(ours.astype(np.float64), form)(axis)
    return distance(array, ours) if array.dtype.kind == "f" else different(array, ours)


def check_tokenizer(case: Case) -> Errors:
    """Compare the text tokenizer with the stand-in for LLaMA's."""
    tokenizer = case.tokenizer()
    encoded, decoded = case.json["encode"], case.json["decode"]
    wrong = {
        "encode": (tokenizer.encode(text["text"]) != text["ids"] for text in encoded),
        "decoded_again": (tokenizer.decode(text["ids"]) != text["decoded_again"] for text in encoded),
        "decode": (tokenizer.decode(text["ids"]) != text["text"] for text in decoded),
    }
    size = float(tokenizer.vocabulary.size != case.json["vocab_size"])
    return {"vocab_size": size, **{name: float(sum(found)) for name, found in wrong.items()}}
