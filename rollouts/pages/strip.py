"""Small pictures of an episode's steps, taken while it is played, side by side in one file: a page shows the
first at once and plays the others by moving the file behind a window, so nothing is encoded as a film.

Of a long episode so many are kept as `MOST` says, evenly spread, without knowing beforehand how long it is.
"""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from policies.embodiments.base import Embodiment
from pretrain.pages.shell import episode_name
from rollouts.pages.pictures import fitted

PICTURES = "pictures"
MOST = 24
"""Pictures of a strip; one more shows the end."""
_PLACE = 360, 240
_QUALITY = 82


class Strip(NamedTuple):
    """A finished strip."""

    jpeg: bytes
    count: int
    """Of pictures."""
    width: int
    height: int
    """Of one of them, in pixels."""


class Sketcher:
    """Takes an episode's pictures."""

    def __init__(self) -> None:
        self._kept: list[Image.Image] = []
        self._seen, self._every = 0, 1

    def step(self, body: Embodiment, views: Mapping[str, np.ndarray], state: np.ndarray, action: Any) -> None:
        """Take what is seen before an action, with the action drawn over it. Views are uint8 (H, W, 3) by
        camera.
        """
        if self._seen % self._every == 0:
            if len(self._kept) == MOST:
                self._kept, self._every = self._kept[::2], 2 * self._every
            self._kept.append(_picture(body, views, state, action))
        self._seen += 1

    def strip(self, body: Embodiment, views: Mapping[str, np.ndarray]) -> Strip:
        """Return the pictures, and as the last one what is seen at the end."""
        pictures = [*self._kept, _picture(body, views)]
        width, height = pictures[0].size
        sheet = Image.new("RGB", (width * len(pictures), height))
        for place, picture in enumerate(pictures):
            sheet.paste(picture, (place * width, 0))
        sink = io.BytesIO()
        sheet.save(sink, "JPEG", quality=_QUALITY)
        return Strip(sink.getvalue(), len(pictures), width, height)


def picture_path(row: Mapping[str, Any]) -> Path:
    """Return where the strip of a result's episode lies in its directory."""
    return Path(PICTURES) / f"{episode_name(row['task'], row['level'], row['seed'])}.jpg"


def shown_steps(length: int) -> range:
    """Return the steps of an episode of known length that a sketcher keeps."""
    every = 1
    while -(-length // every) > MOST:
        every *= 2
    return range(0, length, every)


def main_camera(body: Embodiment, cameras: Iterable[str]) -> str:
    """Return the camera whose pictures are shown: of a body that walks the first, else the last."""
    return list(cameras)[0 if body.fps > 1 else -1]


def _picture(
    body: Embodiment, views: Mapping[str, np.ndarray], state: np.ndarray | None = None, action: Any = None
) -> Image.Image:
    """The main camera's picture, small, with an action over it."""
    camera = main_camera(body, views)
    picture = Image.fromarray(np.ascontiguousarray(views[camera]))
    picture = picture.resize(fitted(picture.size, _PLACE), Image.BILINEAR)
    if action is not None:
        body.draw(ImageDraw.Draw(picture, "RGBA"), camera, (picture.height, picture.width), action, state)
    return picture
