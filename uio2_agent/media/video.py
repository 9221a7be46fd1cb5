"""Videos: a few frames of a file and the sound around each, and black bars off.

Unusual: a video is cut into equal segments, five by default; of each, the frame on screen at its middle is
kept, and one spectrogram around its middle. Files are searched, not decoded whole. Knows nothing about
requests.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from uio2_agent.errors import RequestError
from uio2_agent.media.audio import read_audio, segments
from uio2_agent.media.images import check_image

FRAMES = 5
"""Segments of a video: four frames of history and the image."""
_DARK = 16
"""A pixel whose brightest channel is below this, in every frame, shows nothing."""
_MOST_CUT = 0.3
"""Largest part of a side that is cut off as a black bar."""


def read_frames(path: str | Path, count: int = FRAMES) -> np.ndarray:
    """Return the frames uint8 [count, height, width, 3] on screen at the middle of each of `count` equal
    segments, upright.

    Raises RequestError if the file is missing, broken or empty, or holds no pictures.
    """
    with _opened(path) as (container, stream):
        start, seconds = _span(container, stream)
        frames = [
            _frame_at(container, stream, start + (segment + 0.5) * seconds / count)
            for segment in range(count)
        ]
    return stack_frames(frames, str(path))


def read_frames_at(source: str | Path | bytes, times: Sequence[float]) -> list[np.ndarray]:
    """Return the frame on screen at each time, uint8 [height, width, 3], upright; seconds from the start of
    the video, which is a file or its content. Raises RequestError as `read_frames`.
    """
    with _opened(source) as (container, stream):
        start, _ = _span(container, stream)
        return [_frame_at(container, stream, start + seconds) for seconds in times]


def read_span(source: str | Path | bytes) -> tuple[float, bool]:
    """Return how many seconds a video lasts, a file or its content, and whether it has a sound track."""
    with _opened(source) as (container, stream):
        return _span(container, stream)[1], bool(container.streams.audio)


def read_sound(path: str | Path, count: int = FRAMES) -> np.ndarray | None:
    """Return the spectrograms float32 [count, 256, 128] of a video's segments; None without a sound track."""
    seconds, has_sound = read_span(path)
    if not has_sound:
        return None
    return segments(read_audio(path, what=f"the sound of {path}"), seconds / count, count)


def stack_frames(frames: Sequence[np.ndarray] | np.ndarray, what: str = "video") -> np.ndarray:
    """Return frames uint8 [n, height, width, 3] of one size as one array."""
    frames = [check_image(frame, f"frame {number + 1} of {what}") for number, frame in enumerate(frames)]
    if not frames:
        raise RequestError(f"{what} has no frames: hand in at least one")
    if len(sizes := {frame.shape[:2] for frame in frames}) > 1:
        raise RequestError(
            f"frames of {what} have the sizes {sorted(sizes)}; frames of a video have one: hand in "
            "pictures of different sizes as image_history"
        )
    return np.stack(frames)


def remove_black_bars(frames: np.ndarray) -> np.ndarray:
    """Cut frames [n, height, width, 3] to the rows and columns that ever show something, at most 30 % from
    each side. Frames that show nothing stay whole.
    """
    content = frames.max((0, 3)) >= _DARK  # [height, width]
    if not content.any():
        return frames
    rows, columns = (_content(content.any(axis)) for axis in (1, 0))
    return frames[:, rows, columns]


def _content(shows: np.ndarray) -> slice:
    most = int(len(shows) * _MOST_CUT)
    first, last = np.flatnonzero(shows)[[0, -1]]
    return slice(min(first, most), max(last + 1, len(shows) - most))


@contextmanager
def _opened(source: str | Path | bytes) -> Iterator[tuple[Any, Any]]:
    """Open the first picture stream of a file or its content; what PyAV cannot read is one clear error."""
    import av

    is_content = isinstance(source, bytes)
    named = f"{len(source):,} bytes" if is_content else str(source)
    if not (is_content or Path(source).is_file()):
        raise RequestError(f"video: there is no file {source}")
    try:
        with av.open(io.BytesIO(source) if is_content else named) as container:
            if not container.streams.video:
                raise RequestError(f"video: {named} holds no pictures; hand in a sound as audio")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise RequestError(
            f"video: cannot read {named}: {error}; it may be cut off, or a bare stream: put it into an mp4"
        ) from error


def _span(container: Any, stream: Any) -> tuple[float, float]:
    """Return when the stream starts and how long it lasts, in seconds."""
    import av

    start = float((stream.start_time or 0) * stream.time_base)
    if stream.duration:
        return start, float(stream.duration * stream.time_base)
    if container.duration:
        return start, container.duration / av.time_base
    packets = (packet for packet in container.demux(stream) if packet.pts is not None)
    end = max((packet.pts + (packet.duration or 0) for packet in packets), default=0)
    return start, max(0.0, float(end * stream.time_base) - start)


def _frame_at(container: Any, stream: Any, seconds: float) -> np.ndarray:
    """Return the last frame that begins at or before a time; the first one where none does."""
    for origin in (seconds, 0):  # some files jump too far: look again from the very start
        container.seek(int(origin / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            if frame.time is None:
                continue
            if shown is not None and frame.time > seconds:
                break
            shown = frame
        if shown is not None and shown.time <= seconds:
            break
    if shown is None:
        raise RequestError(f"video: {container.name} holds no pictures that can be decoded; it may be empty")
    return np.rot90(shown.to_ndarray(format="rgb24"), round(shown.rotation / 90))
