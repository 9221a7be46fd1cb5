"""Films of a dataset's cameras: H.264 with the frame's number as its time, as LeRobot looks frames up."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

_CRF = "12"


class Film:
    """An H.264 file that takes pictures of one size."""

    def __init__(self, path: Path, fps: Fraction):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._fps, self._count = path, fps, 0
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream: Any = None

    def add(self, pictures: Iterator[np.ndarray]) -> tuple[float, float]:
        """Append an episode's pictures; returns the seconds at which they begin and end."""
        begins = self._count
        for picture in pictures:
            if self._stream is None:
                self._stream = self._begun(*picture.shape[:2])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = self._count, 1 / self._fps
            self._container.mux(self._stream.encode(frame))
            self._count += 1
        return float(begins / self._fps), float(self._count / self._fps)

    def _begun(self, height: int, width: int) -> Any:
        stream = self._container.add_stream(
            "libx264", rate=self._fps, options={"crf": _CRF, "g": "2", "bf": "0"}
        )
        stream.height, stream.width = height, width
        stream.pix_fmt = _form(height, width)
        stream.time_base = 1 / self._fps
        return stream

    def close(self) -> None:
        """Write what is left."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()


def film_rate(fps: float) -> Fraction:
    """Return frames per second as the ratio that a film's clock needs."""
    return Fraction(fps).limit_denominator(1001)


def video_info(height: int, width: int, fps: float) -> dict[str, Any]:
    """Return what `info.json` says of such a film."""
    told = {
        **{"height": height, "width": width, "codec": "h264", "pix_fmt": _form(height, width)},
        **{"fps": fps, "channels": 3, "is_depth_map": False},
    }
    return {**{f"video.{name}": value for name, value in told.items()}, "has_audio": False}


def _form(height: int, width: int) -> str:
    """How colours are stored: at half the resolution, which takes even sides."""
    return "yuv444p" if height % 2 or width % 2 else "yuv420p"
