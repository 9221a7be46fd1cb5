"""H.264 files that play everywhere, written with PyAV. Knows pictures, not episodes.

A picture that stands is encoded once and lasts, and only where one changes is it converted: both make films
cheap.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from uio2_agent.files import new_path

_GRID = 32
"""What changed is converted in a box whose sides lie on multiples of this, so that few sizes occur."""


class Patch(NamedTuple):
    """A picture that is put over a part of the one before."""

    picture: Image.Image | np.ndarray
    """uint8 [h, w, 3] as an array."""
    place: tuple[int, int]
    """Where its upper left corner comes, (across, down)."""


def write_video(path: Path, shots: Iterable[tuple[Image.Image | Patch, int]], fps: int = 15) -> int:
    """Encode pictures of one even size, each with the number of 1/`fps` seconds that it stands; returns the
    sum of these. The first shot is no patch. What stands for 0 is shown together with the next. The file
    appears when it is whole.
    """
    import av

    form = {"format": "mp4", "options": {"movflags": "faststart"}}
    with new_path(path) as partial, av.open(str(partial), "w", **form) as container:
        film = _Film(container, fps)
        for shown, duration in shots:
            film.add(shown, duration)
        film.end()
    return film.length


class _Film:
    """What was shown so far, and the picture as it is now: as given, uint8 [H, W, 3], and as PyAV's packed
    yuv420p, uint8 [3/2 H, W].
    """

    def __init__(self, container: Any, fps: int) -> None:
        self.length = 0
        self._container, self._fps = container, fps
        self._stream: Any = None
        self._durations: dict[int, int] = {}  # by the time at which a picture begins
        self._converters: dict[tuple[int, ...], Any] = {}  # by size: preparing one costs as much as using it

    def add(self, shown: Image.Image | Patch, duration: int) -> None:
        """Show a picture, or a part over the one before, for a while."""
        import av

        picture, place = shown if isinstance(shown, Patch) else (shown, (0, 0))
        if self._stream is None:
            self._open(np.array(picture))
        else:
            self._put(np.asarray(picture), *place)
        if not duration:
            return
        frame = av.VideoFrame.from_ndarray(self._now, format="yuv420p")
        frame.pts, self._durations[self.length] = self.length, duration
        self.length += duration
        self._encode(frame)

    def end(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._encode(None)

    def _open(self, picture: np.ndarray) -> None:
        options = {
            "qp": "20",  # films are short: as sharp everywhere, nothing is planned or looked ahead for
            "preset": "superfast",
            "x264-params": "bframes=0:scenecut=0:weightp=0:rc-lookahead=0:aq-mode=0:me=dia:subme=0",
        }
        self._stream = stream = self._container.add_stream("libx264", rate=self._fps, options=options)
        height, width = picture.shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        self._picture, self._now = picture, np.empty((height * 3 // 2, width), np.uint8)
        self._convert(0, height, 0, width)

    def _encode(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._durations[packet.pts]  # the encoder knows where one begins, not its end
            self._container.mux(packet)

    def _put(self, picture: np.ndarray, across: int, down: int) -> None:
        """Put a picture, uint8 [h, w, 3], at a place."""
        height, width = picture.shape[:2]
        stands = self._picture[down : down + height, across : across + width]
        changed = (stands != picture).reshape(height, -1)
        rows = np.flatnonzero(changed.any(axis=1))
        if not len(rows):
            return
        columns = np.flatnonzero(changed.any(axis=0)) // 3
        stands[:] = picture
        top, bottom = _on_grid(down + rows[0], down + rows[-1], len(self._picture))
        left, right = _on_grid(across + columns[0], across + columns[-1], self._picture.shape[1])
        self._convert(top, bottom, left, right)

    def _convert(self, top: int, bottom: int, left: int, right: int) -> None:
        """Convert the picture between rows and columns, all four even.

        A colour is blended from the rows above and below, too, which are converted with it and left out.
        """
        import av
        from av.video.reformatter import VideoReformatter

        above, below = max(top - 2, 0), min(bottom + 2, len(self._picture))
        part = np.ascontiguousarray(self._picture[above:below, left:right])
        converter = self._converters.setdefault(part.shape, VideoReformatter())
        frame = converter.reformat(
            av.VideoFrame.from_ndarray(part, format="rgb24"), format="yuv420p", threads=1
        )
        for scale, plane, target in zip((1, 2, 2), frame.planes, _views(self._now), strict=True):
            source = np.frombuffer(plane, np.uint8).reshape(len(part) // scale, plane.line_size)
            source = source[(top - above) // scale : (bottom - above) // scale, : (right - left) // scale]
            target[top // scale : bottom // scale, left // scale : right // scale] = source


def _on_grid(first: int, last: int, end: int) -> tuple[int, int]:
    """Round a span outwards to the grid, within 0 and `end`."""
    return int(first) // _GRID * _GRID, min((int(last) // _GRID + 1) * _GRID, end)


def _views(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The luminance [H, W] and both colours [H / 2, W / 2] of packed yuv420p."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    blue, red = planes[height:].reshape(2, height // 2, width // 2)
    return planes[:height], blue, red
