"""What a request shows of a video or a sound: pictures and segments of sound, and their markers in order.

Source: Unified-IO 2 (arXiv 2312.17172), appendix on video understanding: a video is cut into as many parts as
a request holds images, five for the released models, and of each a frame is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pretrain.samples.context import Context, frame_markers, history_marker, joined
from uio2_agent.media.audio import SEGMENT_SAMPLES, SEGMENT_SECONDS, segment_count, segments
from uio2_agent.media.spectrogram import RATE


@dataclass(frozen=True)
class Shown:
    """Inputs of a request, and the text that stands for them."""

    markers: str
    inputs: dict[str, Any]
    """Fields of `uio2_agent.request.Request`."""


def show_frames(frames: Sequence[np.ndarray], sounds: Sequence[np.ndarray] = (), image_at: int = -1) -> Shown:
    """Show frames in order of time, the one at `image_at` as the image and the others as history, and the
    sound of each behind its marker, where there are sounds.
    """
    place = range(len(frames))[image_at]
    markers = [history_marker(number) for number in range(1, len(frames))]
    markers.insert(place, "<image_input>")
    inputs = {"image": frames[place], "image_history": (*frames[:place], *frames[place + 1 :])}
    if not sounds:
        return Shown(joined(*markers), inputs)
    heard = show_sounds(sounds)
    together = zip(markers, heard.markers.split(), strict=True)
    return Shown(joined(*(joined(*pair) for pair in together)), {**inputs, **heard.inputs})


def show_sounds(sounds: Sequence[np.ndarray]) -> Shown:
    """Show spectrograms in order of time, the last as the sound and those before it as history."""
    inputs = {"audio": sounds[-1], "audio_history": tuple(sounds[:-1])}
    return Shown(joined(*frame_markers(len(sounds), "audio")), inputs)


def part_times(
    seconds: float, context: Context, rng: np.random.Generator | None = None, start: float = 0.0
) -> list[float]:
    """Return a time of each part of a video, or of so many seconds of it from a start on: drawn, or the
    middles.
    """
    count = context.config.history_frames + 1
    inside = np.full(count, 0.5) if rng is None else rng.random(count)
    return (start + (np.arange(count) + inside) * seconds / count).tolist()


def segment_times(seconds: float, context: Context, rng: np.random.Generator) -> list[float]:
    """Return the middles of segments of 4.08 s in a row, as many as a request holds or a video has, from a
    time drawn; one of a short video.
    """
    count = min(context.config.history_frames + 1, max(1, int(seconds // SEGMENT_SECONDS)))
    spare = max(0.0, seconds - count * SEGMENT_SECONDS)
    first = float(rng.uniform(0, spare)) + min(seconds, SEGMENT_SECONDS) / 2
    return [first + SEGMENT_SECONDS * index for index in range(count)]


def wave_segments(wave: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the spectrograms of up to `most` segments in a row of a wave [samples], from a place drawn among
    whole segments.
    """
    count = segment_count(len(wave) / RATE)
    taken = min(count, most)
    first = int(rng.integers(0, count - taken + 1))
    part = wave[first * SEGMENT_SAMPLES : (first + taken) * SEGMENT_SAMPLES]
    return tuple(segments(part, count=taken))
