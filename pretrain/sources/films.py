"""Videos as records hold them (`records.Film`): a file or its content, or arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pretrain.sources.schema import DatasetError
from uio2_agent.media.audio import SEGMENT_SAMPLES, read_audio
from uio2_agent.media.spectrogram import RATE, mel_power
from uio2_agent.media.video import read_frames_at, read_span


class EncodedFilm:
    """A video file, or its content; searched, not decoded whole, but for its sound.

    Raises RequestError where it cannot be read, here or when frames and sounds are asked for.
    """

    def __init__(self, source: str | Path | bytes):
        self._source = source
        self.seconds, self.has_sound = read_span(source)

    def frames(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the frame on screen at each time, uint8 [height, width, 3]."""
        return read_frames_at(self._source, times)

    def sounds(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the spectrogram float32 [256, 128] of the 4.08 s around each time."""
        return [_around(self._wave, time) for time in times]

    @cached_property
    def _wave(self) -> np.ndarray:
        if not self.has_sound:
            raise DatasetError("this video has no sound track: ask `has_sound` first")
        return read_audio(self._source, what="the sound of a video")


@dataclass(frozen=True)
class ArrayFilm:
    """A video in memory."""

    pictures: np.ndarray
    """uint8 [frames, height, width, 3]."""
    fps: float
    wave: np.ndarray | None = None
    """float32 [samples], 16 kHz."""

    @property
    def seconds(self) -> float:
        """How long the pictures last."""
        return len(self.pictures) / self.fps

    @property
    def has_sound(self) -> bool:
        """Whether there is a sound track."""
        return self.wave is not None

    def frames(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the frame on screen at each time, uint8 [height, width, 3]."""
        last = len(self.pictures) - 1
        return [self.pictures[min(max(int(time * self.fps), 0), last)] for time in times]

    def sounds(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the spectrogram float32 [256, 128] of the 4.08 s around each time."""
        if self.wave is None:
            raise DatasetError("this video has no sound track: ask `has_sound` first")
        return [_around(self.wave, time) for time in times]


def _around(wave: np.ndarray, time: float) -> np.ndarray:
    """Return the spectrogram of the 4.08 s around a time, silent where the wave has not begun or is over."""
    begin = round(time * RATE) - SEGMENT_SAMPLES // 2
    part = np.zeros(SEGMENT_SAMPLES, np.float32)
    inside = slice(max(begin, 0), min(max(begin + SEGMENT_SAMPLES, 0), len(wave)))
    heard = wave[inside]
    part[inside.start - begin :][: len(heard)] = heard
    return mel_power(part)
