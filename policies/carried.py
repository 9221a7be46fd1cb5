"""What a policy must know of an episode beside pictures and state, as one array of bytes: the way through
libraries whose observations are arrays of one shape.

UTF-8 JSON, filled up with zeros: `prompt`, `task`, `seed` and `embodiment` of info, and of each prompt asset
its kind, the names of what it shows, and its pictures as PNG in base64. Segmentations stay behind; no request
shows them. Who wrote the bytes is not trusted: nothing in them is executed.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from uio2_agent.errors import UIO2Error, described

BYTES = 1 << 17
"""Enough for eight prompt assets of two pictures of 256 × 512."""
_SAID: dict[str, type] = {"prompt": str, "task": str, "seed": int, "embodiment": str}
_LARGEST_PIXELS = 1 << 24


def carried(info: Mapping[str, Any], size: int = BYTES) -> np.ndarray:
    """Return what `info` says of its episode, uint8 (size,).

    Raises:
        UIO2Error: It needs more bytes than that.
    """
    said = {name: kind(info[name]) for name, kind in _SAID.items()}
    assets = {name: _described(asset) for name, asset in info["prompt_assets"].items()}
    content = json.dumps({**said, "prompt_assets": assets}).encode()
    if len(content) > size:
        raise UIO2Error(
            f"the prompt of {said['task']}, seed {said['seed']}, and its pictures take {len(content)} bytes, "
            f"more than {size}: make the environment with smaller pictures"
        )
    return np.frombuffer(content.ljust(size, b"\0"), np.uint8).copy()


def read_carried(values: np.ndarray) -> dict[str, Any]:
    """Return the part of an info that was written; each asset with `placeholder_type`, `rgb` by view,
    uint8 (3, H, W), and `segm["obj_info"]`.

    Raises:
        UIO2Error: These are not such bytes.
    """
    try:
        content = np.asarray(values).astype(np.uint8).tobytes().rstrip(b"\0")
        info = json.loads(content)
        if wrong := [name for name, kind in _SAID.items() if type(info[name]) is not kind]:
            raise TypeError(f"{wrong[0]} is {info[wrong[0]]!r}")
        assets = {name: _read(asset) for name, asset in info["prompt_assets"].items()}
    except Exception as error:  # damaged pictures make a decoder raise anything at all
        raise UIO2Error(f"these bytes carry no episode: {described(error)}") from None
    return {**{name: info[name] for name in _SAID}, "prompt_assets": assets}


def _described(asset: Mapping[str, Any]) -> dict[str, Any]:
    shown = asset.get("segm", {}).get("obj_info", ())
    return {
        "placeholder_type": asset["placeholder_type"],
        "obj_info": dict(shown) if isinstance(shown, Mapping) else [dict(each) for each in shown],
        "rgb": {view: _written(picture) for view, picture in asset["rgb"].items()},
    }


def _read(asset: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "placeholder_type": asset["placeholder_type"],
        "segm": {"obj_info": asset["obj_info"]},
        "rgb": {view: _picture(text) for view, text in asset["rgb"].items()},
    }


def _written(picture: np.ndarray) -> str:
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1))).save(sink, "PNG")
    return base64.b64encode(sink.getvalue()).decode()


def _picture(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text)), formats=["PNG"]) as image:
        if image.width * image.height > _LARGEST_PIXELS:
            raise ValueError(f"a picture of {image.width} × {image.height}")
        return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
