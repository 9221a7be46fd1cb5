"""Sounds in and out: files and arrays to a 16 kHz mono wave, a wave to the spectrograms of its segments, and
a WAV file.

Unusual: how a sound is cut is decided by its length alone: every segment becomes one spectrogram of 4.08 s,
a shorter one stands between zeros, of a longer one the middle remains. Knows nothing about requests.
"""

import io
import math
import wave as wave_file
from fractions import Fraction
from pathlib import Path

import numpy as np

from uio2_agent.errors import RequestError
from uio2_agent.files import replace_file
from uio2_agent.media.spectrogram import HOP, RATE, mel_power

SEGMENT_SECONDS = 4.08
SEGMENT_SAMPLES = 65_280
_SLACK_SECONDS = 0.1
"""A rest must be longer than half a segment by this to become a segment of its own."""


def read_audio(source: str | Path | np.ndarray, rate: int | None = None, what: str = "audio") -> np.ndarray:
    """Return a wave float32 [samples] in [-1, 1], mono, 16 kHz.

    `source` is a file (any format, video files included) or an array with its `rate` in Hz: [samples] or with
    one more axis for the channels; whole numbers are scaled by their type's range.

    Raises RequestError if the file is missing, broken or silent by lack of a sound track; the array is empty,
    has no rate, or holds NaN.
    """
    if isinstance(source, str | Path):
        return _read_file(Path(source), what)
    if rate is None:
        raise RequestError(f"{what} is an array without a sampling rate: hand in (samples, rate in Hz)")
    samples = _as_float(np.asarray(source), what)
    if samples.ndim == 2:
        samples = samples.mean(np.argmin(samples.shape))
    if samples.ndim != 1 or not samples.size:
        raise RequestError(f"{what} must be [samples] or [samples, channels]; it is {list(samples.shape)}")
    if not np.isfinite(samples).all():
        raise RequestError(f"{what} holds NaN or infinity: look at where it was recorded")
    return resample(samples, rate)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Bring float [samples] from `rate` to 16 kHz with a polyphase low-pass filter, float32."""
    if rate <= 0:
        raise RequestError(f"a sampling rate of {rate} Hz: give the number of samples per second")
    if rate != RATE:
        from scipy.signal import resample_poly

        ratio = Fraction(RATE) / Fraction(rate).limit_denominator(1000)
        samples = resample_poly(samples, ratio.numerator, ratio.denominator)
    return samples.astype(np.float32)


def segment_count(seconds: float, segment_seconds: float = SEGMENT_SECONDS) -> int:
    """Return how many segments a sound has, at least one: a rest counts when it is well over half of one."""
    whole = math.floor(seconds / segment_seconds)
    rest = seconds - whole * segment_seconds
    return max(1, whole + (rest - _SLACK_SECONDS > segment_seconds / 2))


def segments(
    wave: np.ndarray, segment_seconds: float = SEGMENT_SECONDS, count: int | None = None
) -> np.ndarray:
    """Return the spectrograms float32 [segments, 256, 128] of a 16 kHz wave [samples].

    The wave is cut, or filled with zeros, at its end to whole segments, `segment_count` of them unless
    `count` says otherwise.
    """
    if not len(wave) or segment_seconds * RATE < HOP:
        raise RequestError(
            f"cannot cut {len(wave)} samples into segments of {segment_seconds:g} s: give a sound, and "
            f"segments of at least {HOP / RATE:g} s"
        )
    length = round(segment_seconds * RATE)
    count = segment_count(len(wave) / RATE, segment_seconds) if count is None else count
    whole = np.zeros(count * length, np.float32)
    whole[: len(wave)] = wave[: len(whole)]
    return np.stack([mel_power(_centred(part)) for part in whole.reshape(count, length)])


def write_wav(path: str | Path, wave: np.ndarray, rate: int = RATE) -> Path:
    """Write a wave [samples] in [-1, 1] as 16-bit mono; what lies outside is cut."""
    levels = np.rint(np.asarray(wave, np.float64) * 32768).clip(-32768, 32767).astype("<i2")
    content = io.BytesIO()
    with wave_file.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(levels.tobytes())
    replace_file(path, content.getvalue())
    return Path(path)


def _centred(segment: np.ndarray) -> np.ndarray:
    """Return the middle 65,280 samples, or the segment in the middle of as many."""
    spare = SEGMENT_SAMPLES - len(segment)
    if spare < 0:
        return segment[-spare // 2 :][:SEGMENT_SAMPLES]
    return np.pad(segment, (spare // 2, spare - spare // 2))


def _as_float(samples: np.ndarray, what: str) -> np.ndarray:
    kind = samples.dtype.kind
    if kind == "f":
        return samples.astype(np.float64)
    if kind == "i":
        return samples / -float(np.iinfo(samples.dtype).min)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    raise RequestError(f"{what} holds {samples.dtype}: hand in floats in [-1, 1] or signed whole numbers")


def _read_file(path: Path, what: str) -> np.ndarray:
    import av

    if not path.is_file():
        raise RequestError(f"{what}: there is no file {path}")
    # Whole numbers, as in a 16-bit file: only then is a mix of channels their mean.
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise RequestError(f"{what}: {path} has no sound track")
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.FFmpegError, ValueError) as error:
        raise RequestError(f"{what}: cannot read sound from {path}: {error}") from error
    if not any(part.size for part in parts):
        raise RequestError(f"{what}: {path} holds no sound: it may be empty or cut off")
    return np.concatenate(parts).astype(np.float32) / 32768
