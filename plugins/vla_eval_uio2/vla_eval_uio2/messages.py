"""What an observation of vla-eval holds of ours, and back.

`images`, `task_description` and `state` are what every benchmark of vla-eval sends, so that anybody's server
can act. Under `uio2` travels what our policies need beside them: the rest of the observation, and the info,
in which the prompt's pictures are. Unusual: pictures travel in `images` alone, as vla-eval packs them without
loss, so that the policy sees the environment's very pixels.

It refuses to know suites, policies and vla-eval itself.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from policies import embodiments
from policies.prompts import described_prompt
from uio2_agent.errors import UIO2Error

OWN = "uio2"
"""Key of an observation under which is what only our policies read."""
_STANDARD = ("images", "task_description", OWN)


def message(observation: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model server is sent.

    Arguments:
        observation: What the environment returned, with `rgb`: camera → uint8 (3, H, W).
        info: What it returned beside it.

    Returns:
        `images` (camera → uint8 (H, W, 3)), `task_description` (the prompt in words), `state` (float32), and
        `uio2`: `observation` without `rgb`, and `info` without what cannot travel.
    """
    rest = {key: value for key, value in observation.items() if key != "rgb"}
    return {
        "images": {camera: np.moveaxis(view, 0, -1) for camera, view in observation["rgb"].items()},
        "task_description": described_prompt(info["prompt"], info["prompt_assets"]),
        "state": embodiments.of(info).state(observation, info),
        OWN: {"observation": _plain(rest), "info": _plain(info)},
    }


def request(
    sent: Mapping[str, Any], cameras: Mapping[str, str] | None = None, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what `rollouts.inference` takes: info and observation, as the environment gave them.

    Arguments:
        sent: The observation that came, from a benchmark of ours or anybody's.
        cameras: For benchmarks that are not ours, camera of the body → which of `images` it is.
        told: For those, what the info holds beside the prompt.

    Raises:
        UIO2Error: Pictures are missing.
    """
    images = sent.get("images")
    if not isinstance(images, Mapping):
        raise UIO2Error(f"an observation has a map `images`; found {', '.join(map(str, sent)) or 'nothing'}")
    if own := sent.get(OWN):
        rgb = {camera: _rows_last(camera, image) for camera, image in images.items()}
        return {**own["info"], "observation": {**own["observation"], "rgb": rgb}}
    names = cameras or {name: name for name in images}
    if missing := [name for name in names.values() if name not in images]:
        raise UIO2Error(f"no image {missing[0]!r}; cameras= can name {', '.join(map(str, images))}")
    rgb = {camera: _rows_last(name, images[name]) for camera, name in names.items()}
    rest = {key: value for key, value in sent.items() if key not in _STANDARD}
    words = {"prompt": sent.get("task_description"), **(told or {})}
    return {**words, "observation": {**rest, "rgb": rgb}}


def _rows_last(name: str, image: Any) -> np.ndarray:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        raise UIO2Error(f"image {name!r} is no uint8 array of shape (H, W, 3)")
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))


def _plain(value: Any) -> Any:
    """The value in maps, lists, texts, numbers and arrays; what is none of these is left out of its map."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if isinstance(key, str) and _travels(each)}
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _travels(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biuf"
    if isinstance(value, list | tuple):
        return all(map(_travels, value))
    if is_dataclass(value):
        return not isinstance(value, type) and all(_travels(getattr(value, f.name)) for f in fields(value))
    return value is None or isinstance(value, Mapping | str | bool | int | float)
